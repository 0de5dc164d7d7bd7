import { type Command, InvalidArgumentError, Option } from 'commander';
import { CatenaError, messageOf } from '../base/errors.ts';
import type { SetOptions, Value } from '../client/types.ts';
import { type ClientFlags, wholeNumber, withChain, withClientOptions } from './client-options.ts';
import { allBytes, typesInput } from './input.ts';
import { print, shownText } from './output.ts';

/** More than any topology lets a value have, so that what is piped in is not read for ever. */
const VALUE_BYTES_MAX = 268_435_456;

interface SetFlags extends ClientFlags {
  readonly file?: string;
  readonly ttl?: number;
  readonly ifVersion?: number;
  readonly ifAbsent?: true;
  readonly contentType?: string;
  readonly asJson?: true;
  readonly json: boolean;
}

/** `catena set KEY [VALUE]` */
export function addSet(program: Command): void {
  withClientOptions(
    program
      .command('set')
      .description('Stores a value: that of the argument, of a file, or of standard input (-, or piped in).')
      .argument('<key>', 'the key')
      .argument('[value]', 'the value; - reads standard input'),
  )
    .option('--file <file>', 'store what is in this file')
    .addOption(new Option('--ttl <seconds>', 'remove it after so long').argParser(seconds))
    .addOption(
      new Option('--if-version <version>', 'only if the key has this version; 0: only if it is absent')
        .argParser(wholeNumber)
        .conflicts('ifAbsent'),
    )
    .option('--if-absent', 'only if the key is absent')
    .option('--content-type <type>', 'such as image/png')
    .addOption(
      new Option('--as-json', 'the value is JSON, the same as --content-type application/json').conflicts(
        'contentType',
      ),
    )
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      '\nWhat is no UTF-8 is stored as application/octet-stream unless --content-type says else.\nThe exit code is 1 when a condition does not hold; nothing is changed then.' +
        '\n\nExample:\n  $ catena set greeting hello\n  $ catena set logo --file logo.png --content-type image/png\n  $ date | catena set now --ttl 60',
    )
    .action(set);
}

async function set(key: string, text: string | undefined, flags: SetFlags, command: Command): Promise<void> {
  const value = await givenValue(text, flags.file, command);
  if (flags.asJson === true) checkJson(value);
  await withChain(flags, async ({ client }) => {
    const { version, created } = await client.set(key, value, optionsOf(flags));
    if (flags.json) return await print(`${JSON.stringify({ key, version, created })}\n`);
    await print(`${created ? 'created' : 'replaced'} ${shownText(key)}, version ${version}\n`);
  });
}

async function givenValue(
  text: string | undefined,
  file: string | undefined,
  command: Command,
): Promise<Value> {
  if (text !== undefined && file !== undefined) {
    command.error('error: give the value as an argument or with --file, not both');
  }
  if (text !== undefined && text !== '-') return text;
  if (file === undefined && text === undefined && typesInput()) {
    command.error("error: missing argument 'value' (or --file FILE, or - to type it, or pipe it in)");
  }
  const bytes = await allBytes(file, VALUE_BYTES_MAX);
  return textIn(bytes) ?? bytes;
}

/** `null` when these bytes would not come back from it. */
function textIn(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

function checkJson(value: Value): void {
  const advice = 'mend it, or leave --as-json out';
  if (typeof value !== 'string') {
    throw new CatenaError('BAD_JSON', `the value is no JSON: it is not UTF-8; ${advice}`);
  }
  try {
    JSON.parse(value);
  } catch (error) {
    throw new CatenaError('BAD_JSON', `the value is no JSON: ${messageOf(error)}; ${advice}`);
  }
}

function optionsOf({ ttl, ifVersion, ifAbsent, contentType, asJson }: SetFlags): SetOptions {
  const type = asJson === true ? 'application/json' : contentType;
  return {
    ...(ttl === undefined ? {} : { ttl }),
    ...(ifVersion === undefined ? {} : { ifVersion }),
    ...(ifAbsent === undefined ? {} : { ifAbsent }),
    ...(type === undefined ? {} : { contentType: type }),
  };
}

function seconds(text: string): number {
  const number = text.trim() === '' ? Number.NaN : Number(text);
  if (number > 0 && Number.isFinite(number)) return number;
  throw new InvalidArgumentError('Give seconds above 0, such as 60 or 0.5.');
}

import { type Command, Option } from 'commander';
import type { Item } from '../client/types.ts';
import { type ClientFlags, wholeNumber, withChain, withClientOptions } from './client-options.ts';
import { Lines, shownText } from './output.ts';
import { exportedValue, valueText } from './value-text.ts';

const PAGE_KEYS_MAX = 500;

interface KeysFlags extends ClientFlags {
  readonly values: boolean;
  readonly limit?: number;
  readonly json: boolean;
}

/** `catena keys [PREFIX]` */
export function addKeys(program: Command): void {
  withClientOptions(
    program
      .command('keys')
      .description('Prints the keys, a line each, in the order of their bytes, as they come.')
      .argument('[prefix]', 'only those that begin with this', ''),
  )
    .option('--values', 'print their values too, behind a tab', false)
    .addOption(new Option('--limit <count>', 'print no more than so many').argParser(wholeNumber))
    .option('--json', 'print a line of JSON for each: safe for keys that hold line ends', false)
    .addHelpText(
      'after',
      '\nExample:\n  $ catena keys user: --limit 2 --values\n  user:1\t"Ada"\n  user:2\t"Grace"',
    )
    .action(keys);
}

async function keys(prefix: string, flags: KeysFlags): Promise<void> {
  const { values, json, limit = Number.POSITIVE_INFINITY } = flags;
  const options = { prefix, pageSize: Math.max(1, Math.min(limit, PAGE_KEYS_MAX)) };
  await withChain(flags, async ({ client }) => {
    if (values) await printed(client.items(options), limit, json ? itemJson : itemText);
    else await printed(client.keys(options), limit, json ? (key) => JSON.stringify({ key }) : shownText);
  });
}

async function printed<T>(rows: AsyncIterable<T>, limit: number, text: (row: T) => string): Promise<void> {
  const lines = new Lines();
  let count = 0;
  if (limit === 0) return;
  for await (const row of rows) {
    await lines.add(text(row));
    if (++count >= limit) break;
  }
  await lines.end();
}

function itemText({ key, value, contentType }: Item): string {
  return `${shownText(key)}\t${valueText(value, contentType)}`;
}

function itemJson({ key, value, contentType, version, expiresIn }: Item): string {
  const expiry = expiresIn === null ? {} : { expiresIn };
  return JSON.stringify({ key, ...exportedValue(value, contentType), version, ...expiry });
}

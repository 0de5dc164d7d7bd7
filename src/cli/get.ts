import type { Command } from 'commander';
import { CatenaError } from '../base/errors.ts';
import { checkKey } from '../client/arguments.ts';
import { type ClientFlags, withChain, withClientOptions } from './client-options.ts';
import { onTerminal, print } from './output.ts';

const NEWLINE = 0x0a;

interface GetOptions extends ClientFlags {
  readonly json: boolean;
}

/** `catena get KEY` */
export function addGet(program: Command): void {
  withClientOptions(
    program
      .command('get')
      .description('Prints the value of a key, byte for byte; on a terminal it ends with a line end.')
      .argument('<key>', 'the key'),
  )
    .option('--json', 'print the value with its version, content type and expiry, as export does', false)
    .addHelpText(
      'after',
      '\nThe exit code is 1 when there is no such key.\n\nExample:\n  $ catena get greeting\n  hello',
    )
    .action(get);
}

async function get(key: string, { json, ...flags }: GetOptions): Promise<void> {
  await withChain(flags, async ({ core }) => {
    checkKey(key);
    // The words of the batch have the value as it is stored: read by the client, JSON would be written anew.
    const item = await core.operation({ op: 'get', key });
    if (typeof item.value !== 'string') {
      throw new CatenaError(
        'KEY_NOT_FOUND',
        `there is no key ${JSON.stringify(key)}; catena set makes it, catena keys lists those that are there`,
      );
    }
    if (json) return await print(`${JSON.stringify(item)}\n`);
    const bytes = Buffer.from(item.value, item.encoding === 'base64' ? 'base64' : 'utf8');
    await print(bytes);
    if (onTerminal() && bytes.at(-1) !== NEWLINE) await print('\n');
  });
}

import { type Command, Option } from 'commander';
import { type ClientFlags, wholeNumber, withChain, withClientOptions } from './client-options.ts';
import { print, shownText } from './output.ts';

interface DeleteFlags extends ClientFlags {
  readonly ifVersion?: number;
  readonly json: boolean;
}

/** `catena delete KEY` */
export function addDelete(program: Command): void {
  withClientOptions(program.command('delete').description('Removes a key.').argument('<key>', 'the key'))
    .addOption(
      new Option('--if-version <version>', 'only if the key has this version').argParser(wholeNumber),
    )
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      '\nA key that is not there is no error; a condition that does not hold is.\n\nExample:\n  $ catena delete greeting',
    )
    .action(remove);
}

async function remove(key: string, { ifVersion, json, ...flags }: DeleteFlags): Promise<void> {
  await withChain(flags, async ({ client }) => {
    const deleted = await client.delete(key, ifVersion === undefined ? {} : { ifVersion });
    if (json) return await print(`${JSON.stringify({ key, deleted })}\n`);
    await print(deleted ? `deleted ${shownText(key)}\n` : `${shownText(key)} was not there\n`);
  });
}

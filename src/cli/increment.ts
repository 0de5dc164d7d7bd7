import { type Command, InvalidArgumentError } from 'commander';
import { type ClientFlags, withChain, withClientOptions } from './client-options.ts';
import { print } from './output.ts';

interface IncrementFlags extends ClientFlags {
  readonly json: boolean;
}

/** `catena increment KEY [BY]` */
export function addIncrement(program: Command): void {
  withClientOptions(
    program
      .command('increment')
      .description('Adds to an integer and prints the sum; a key that is not there counts as 0.')
      .argument('<key>', 'the key')
      .argument('[by]', 'what is added; may be negative', integer, 1),
  )
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      '\nExample:\n  $ catena increment visitors\n  1\n  $ catena increment visitors -5\n  -4',
    )
    .action(increment);
}

async function increment(key: string, by: number, { json, ...flags }: IncrementFlags): Promise<void> {
  await withChain(flags, async ({ client }) => {
    const value = await client.increment(key, by);
    await print(`${json ? JSON.stringify({ key, value }) : value}\n`);
  });
}

function integer(text: string): number {
  const number = Number(text);
  if (/^[-+]?\d+$/.test(text) && Number.isSafeInteger(number)) return number;
  throw new InvalidArgumentError('Give an integer within ±(2⁵³−1).');
}

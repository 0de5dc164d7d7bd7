import { type Command, Option } from 'commander';
import type { Change } from '../client/types.ts';
import { type ClientFlags, wholeNumber, withChain, withClientOptions } from './client-options.ts';
import { untilInterrupted } from './interrupt.ts';
import { harmless, onTerminal, print, shownText, styled } from './output.ts';
import { exportedValue, valueText } from './value-text.ts';

const COLORS = { set: 'green', delete: 'red', expire: 'yellow' } as const;

interface WatchFlags extends ClientFlags {
  readonly since?: number;
  readonly json: boolean;
}

/** `catena watch [PREFIX]` */
export function addWatch(program: Command): void {
  withClientOptions(
    program
      .command('watch')
      .description('Prints committed changes in order, a line each, as they happen, until Ctrl-C.')
      .argument('[prefix]', 'only those of keys that begin with this', ''),
  )
    .addOption(
      new Option('--since <version>', 'begin behind this version, not with the next change').argParser(
        wholeNumber,
      ),
    )
    .option('--json', 'print a line of JSON for each', false)
    .addHelpText('after', '\nExample:\n  $ catena watch user:\n  set     user:1  version 12  "Ada"')
    .action(watch);
}

async function watch(prefix: string, { since, json, ...flags }: WatchFlags): Promise<void> {
  await withChain(flags, ({ client }) =>
    untilInterrupted(async (signal) => {
      const options = { prefix, signal, ...(since === undefined ? {} : { since }) };
      for await (const change of client.watch(options)) {
        await print(`${json ? changeJson(change) : changeText(change)}\n`);
      }
    }),
  );
}

function changeJson(change: Change): string {
  const { kind, key, version } = change;
  const value = change.kind === 'set' ? exportedValue(change.value, change.contentType) : {};
  return JSON.stringify({ kind, key, version, ...value });
}

function changeText(change: Change): string {
  const { kind, key, version } = change;
  const value = change.kind === 'set' ? `  ${valueText(change.value, change.contentType)}` : '';
  const rest = `  ${shownText(key)}  version ${version}${value}`;
  // A long value would fill the terminal.
  const fitting = onTerminal() ? harmless(rest).slice(0, Math.max(20, process.stdout.columns - 7)) : rest;
  return `${styled(COLORS[kind], kind.padEnd(6))}${fitting}`;
}

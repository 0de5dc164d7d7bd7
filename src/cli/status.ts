import { stripVTControlCharacters } from 'node:util';
import type { Command } from 'commander';
import { messageOf } from '../base/errors.ts';
import { CatenaError } from '../client/errors.ts';
import { systemClock } from '../platform/clock.ts';
import { type Chain, type ClientFlags, withChain, withClientOptions } from './client-options.ts';
import { untilInterrupted } from './interrupt.ts';
import { onTerminal, print } from './output.ts';
import { type Look, look, type Rates, ratesBetween } from './status-look.ts';
import { statusJson, statusLine, statusText } from './status-text.ts';

/** Rates come of two looks so far apart, in ms. */
const RATE_MS = 500;
const WATCH_MS = 1000;
const ESCAPE = '\u001b[';

interface StatusFlags extends ClientFlags {
  readonly watch: boolean;
  readonly json: boolean;
}

/** `catena status` */
export function addStatus(program: Command): void {
  withClientOptions(
    program
      .command('status')
      .description('Draws the chain: who is in it, how far each has come, and what is waited for.'),
  )
    .option('--watch', 'go on until Ctrl-C: drawn anew on a terminal, a line each second elsewhere', false)
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      '\nlag: entries that a node has and that are not committed there. commits/s: over half a second.\n\nExample:\n  $ catena status\n  $ catena status --watch --url http://localhost:4467',
    )
    .action(status);
}

async function status({ watch, json, ...flags }: StatusFlags): Promise<void> {
  await withChain(flags, async (chain) => {
    if (watch) return await untilInterrupted((signal) => follow(chain, json, signal));
    const before = await look(chain);
    await pause(RATE_MS);
    const now = await look(chain);
    const rates = ratesBetween(before, now);
    await print(`${json ? JSON.stringify(statusJson(now, rates)) : statusText(now, rates)}\n`);
  });
}

async function follow(chain: Chain, json: boolean, signal: AbortSignal): Promise<void> {
  const screen = onTerminal() && !json ? new Screen() : null;
  let before: Look | null = null;
  for (;;) {
    const now = await lookOrTrouble(chain, signal);
    if (signal.aborted) return;
    const rates: Rates = before !== null && isLook(now) ? ratesBetween(before, now) : {};
    if (screen === null) await print(`${lineOf(now, rates, json)}\n`);
    else await screen.draw(isLook(now) ? statusText(now, rates) : now.trouble);
    await pause(before === null ? RATE_MS : WATCH_MS, signal);
    if (isLook(now)) before = now;
  }
}

interface Trouble {
  readonly trouble: string;
}

function isLook(now: Look | Trouble): now is Look {
  return 'nodes' in now;
}

function lineOf(now: Look | Trouble, rates: Rates, json: boolean): string {
  if (!isLook(now)) return json ? JSON.stringify(now) : now.trouble;
  return json ? JSON.stringify(statusJson(now, rates)) : statusLine(now, rates);
}

/** Nobody may answer for a while: that is told like any other state, and looked at again. */
async function lookOrTrouble(chain: Chain, signal: AbortSignal): Promise<Look | Trouble> {
  try {
    return await look(chain, signal);
  } catch (error) {
    if (error instanceof CatenaError || signal.aborted) return { trouble: messageOf(error) };
    throw error;
  }
}

/** Draws over what it drew before. */
class Screen {
  #lines = 0;

  async draw(text: string): Promise<void> {
    const { columns, rows } = process.stdout;
    const lines = text.split('\n').slice(0, Math.max(1, rows - 1));
    // A line that is wrapped would count for one and be two.
    const whole = lines.map((line) => {
      const plain = stripVTControlCharacters(line);
      return plain.length < columns ? line : plain.slice(0, Math.max(0, columns - 1));
    });
    const up = this.#lines === 0 ? '' : `${ESCAPE}${this.#lines}A`;
    this.#lines = whole.length;
    await print(`${up}\r${ESCAPE}J${whole.join('\n')}\n`);
  }
}

/** Ends early when the signal is aborted. */
function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const cancel = systemClock.after(ms, end);
    signal?.addEventListener('abort', end);
    if (signal?.aborted === true) end();
  });
}

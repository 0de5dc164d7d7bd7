import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Call } from '../../src/simulator/history.ts';
import { NODES, on } from './places.ts';
import { systemTimeAheadMs } from './system-time.ts';

const READER = fileURLToPath(new URL('./reader.ts', import.meta.url));
const HANDOVER_MS_MAX = 10_000;
/** Two processes read the clock a moment apart: no call is taken for shorter than it was. */
const SLACK_MS = 0.5;

/** What one of them hands over. Times are those of the clock that all processes of this machine share, in ms. */
export interface Handover {
  readonly calls: readonly Call[];
  readonly wrong: readonly string[];
}

/** What all readers saw, in this process's time. */
export interface Seen {
  readonly calls: readonly Call[];
  readonly wrong: readonly string[];
}

/** The name under which the reader on a host calls. */
export function readerOn(host: string): string {
  return `reader-on-${host}`;
}

/** A client on each node's host that reads at this node. Each is a process, as only processes can be on hosts. */
export class Readers {
  readonly #children: readonly ChildProcess[];

  constructor(options: {
    folder: string;
    seed: number;
    prefix: string;
    urlOf: (node: string) => string;
  }) {
    const { folder, seed, prefix, urlOf } = options;
    this.#children = NODES.map((host) => {
      const [program = '', ...rest] = [...on(host), process.execPath, READER];
      const args = [readerOn(host), urlOf(host), prefix, String(seed)];
      const log = openSync(join(folder, 'logs', `${readerOn(host)}.log`), 'a');
      const child = spawn(program, [...rest, ...args], {
        detached: true,
        stdio: ['ignore', log, log, 'ipc'],
        serialization: 'advanced',
      });
      closeSync(log);
      child.on('error', () => {});
      return child;
    });
  }

  /** Ends them. @returns what they saw; one that ended before is an error, told by the name of its log. */
  async stop(): Promise<Seen> {
    const handovers = await Promise.all(this.#children.map(takeFrom));
    const aheadMs = systemTimeAheadMs();
    const here = (call: Call): Call => ({
      ...call,
      calledAtMs: call.calledAtMs - aheadMs - SLACK_MS,
      answer: call.answer && { ...call.answer, atMs: call.answer.atMs - aheadMs + SLACK_MS },
    });
    return {
      calls: handovers.flatMap(({ calls }) => calls.map(here)),
      wrong: handovers.flatMap(({ wrong }) => wrong),
    };
  }

  /** Without waiting. */
  endNow(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }
}

async function takeFrom(child: ChildProcess): Promise<Handover> {
  const whose = child.spawnargs.find((arg) => arg.startsWith(readerOn('')));
  if (!child.connected) throw new Error(`${whose} ended by itself: its log says why`);
  const answer = once(child, 'message');
  child.send('stop');
  const late = new AbortController();
  const [handover] = await Promise.race([
    answer,
    sleep(HANDOVER_MS_MAX, [null], { signal: late.signal }).catch(() => [null]),
  ]);
  late.abort();
  if (handover === null) throw new Error(`${whose} handed nothing over within ${HANDOVER_MS_MAX} ms`);
  return handover as Handover;
}

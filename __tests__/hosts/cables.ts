import { execFile } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { promisify } from 'node:util';
import { plugOf, SWITCH } from './places.ts';

const run = promisify(execFile);
/** A network card that nobody has: what is sent there is lost, and the sender learns nothing of it. */
const NOBODY = '02:00:00:00:00:fe';

/** One direction between two hosts. */
export interface Way {
  readonly from: string;
  readonly to: string;
}

/** A cable that is not what it should be. */
export interface BadCable {
  /** In words. */
  readonly what: string;
  /** Arguments of `tc` for the queue at the switch, toward the host. */
  readonly queue: readonly string[];
}

/** Cuts and mends the cables of the hosts. Run in a namespace that sees the others' names. */
export const cables = {
  /** Pulls the cables of these hosts out of the switch. */
  async pull(...hosts: readonly string[]): Promise<void> {
    await Promise.all(hosts.map((host) => ip('-n', SWITCH, 'link', 'set', plugOf(host), 'down')));
  },

  async plug(...hosts: readonly string[]): Promise<void> {
    await Promise.all(hosts.map((host) => ip('-n', SWITCH, 'link', 'set', plugOf(host), 'up')));
  },

  /** What is sent this way is lost in silence. @returns what mends it. */
  async lose({ from, to }: Way): Promise<() => Promise<void>> {
    const { address } = await lookup(to);
    await ip('-n', from, 'neigh', 'replace', address, 'lladdr', NOBODY, 'dev', 'eth0', 'nud', 'permanent');
    return () => ip('-n', from, 'neigh', 'del', address, 'dev', 'eth0');
  },

  /** The sender's own system refuses to send this way. @returns what mends it. */
  async block({ from, to }: Way): Promise<() => Promise<void>> {
    const { address } = await lookup(to);
    await ip('-n', from, 'route', 'add', 'blackhole', `${address}/32`);
    return () => ip('-n', from, 'route', 'del', 'blackhole', `${address}/32`);
  },

  /** Makes the cable to a host a bad one. @returns `false` when this system's kernel can't. */
  async spoil(host: string, { queue }: BadCable): Promise<boolean> {
    try {
      await run('tc', ['-n', SWITCH, 'qdisc', 'add', 'dev', plugOf(host), 'root', ...queue]);
      return true;
    } catch (error) {
      if (/qdisc kind is unknown|ENOENT/.test(String(error))) return false;
      throw error;
    }
  },

  async unspoil(host: string): Promise<void> {
    await run('tc', ['-n', SWITCH, 'qdisc', 'del', 'dev', plugOf(host), 'root']);
  },

  /** How many packets to this host the bad cable has lost. */
  async lost(host: string): Promise<number> {
    const { stdout } = await run('tc', ['-n', SWITCH, '-s', 'qdisc', 'show', 'dev', plugOf(host)]);
    return Number(/dropped (\d+)/.exec(stdout)?.[1] ?? 0);
  },
};

async function ip(...args: readonly string[]): Promise<void> {
  await run('ip', [...args]);
}

import { join } from 'node:path';
import { openDisk } from '../platform/disk.ts';
import { parseTopology } from '../topology/topology.ts';
import type { RunningTopology } from './up-running.ts';

const NAME = 'topology.json';
const ASIDE = 'topology.json.new';

type Topology = RunningTopology['topology'];

/**
 * The running topology as a file in the data directory. Nodes are started with it: one that was added by `PUT /topology`
 * is not in the file that people edit.
 */
export class TopologyCopy {
  readonly #directory: string;
  readonly #file: string;
  #last: Topology | null = null;
  /** Of the topology and the configuration that were looked at last. */
  #seen = '';

  /** @param file what nodes start with until a running topology is known. */
  constructor({ directory, file }: { directory: string; file: string }) {
    this.#directory = directory;
    this.#file = file;
  }

  /** The file that a node is to start with. */
  get path(): string {
    return this.#last === null ? this.#file : join(this.#directory, NAME);
  }

  /**
   * Writes a newer one; after a crash the file is the old or the new one.
   *
   * @throws CatenaError DISK_FULL, DISK_FAILED
   */
  async keep(running: RunningTopology): Promise<void> {
    const seen = `${running.version}/${running.epoch}`;
    if (seen === this.#seen) return;
    const whole = withDeparting(running, this.#last);
    if (JSON.stringify(whole) !== JSON.stringify(this.#last)) {
      await write(this.#directory, `${JSON.stringify(whole, null, 2)}\n`);
    }
    this.#last = whole;
    this.#seen = seen;
  }
}

/**
 * With those that were taken out and are still in the configuration, in case one of them dies before the chain does without
 * it: beside the chain, as a node's own disk knows better what it is in. Unless one of the others has its address by now.
 */
function withDeparting({ topology, members, joiner }: RunningTopology, before: Topology | null): Topology {
  const departing = Object.entries(before?.nodes ?? {}).filter(
    ([node]) => members.includes(node) || node === joiner,
  );
  const whole = { ...topology, nodes: { ...Object.fromEntries(departing), ...topology.nodes } };
  return parseTopology(JSON.stringify(whole), NAME).kind === 'ok' ? whole : topology;
}

async function write(directory: string, text: string): Promise<void> {
  const disk = await openDisk(directory);
  await disk.remove(ASIDE);
  const file = await disk.open(ASIDE, { create: true });
  try {
    await file.write(0, [new TextEncoder().encode(text)]);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(ASIDE, NAME);
  await disk.syncDirectory('');
}

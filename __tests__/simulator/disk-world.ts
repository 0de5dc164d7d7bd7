import { CatenaError } from '../../src/base/errors.ts';
import { Prng } from '../../src/base/prng.ts';
import type { Disk, DiskFile } from '../../src/ports/disk.ts';
import { SimDisk } from '../../src/simulator/disk.ts';
import { Machine, type Process } from '../../src/simulator/machine.ts';
import { Scheduler } from '../../src/simulator/scheduler.ts';

/** One machine with its disk, and a process on it. */
export class DiskWorld {
  readonly scheduler = new Scheduler();
  readonly machine = new Machine('n1', { rate: 1, wallOffMs: 0 }, this.scheduler);
  readonly disk: SimDisk;

  constructor(seed: number) {
    const prng = new Prng(seed);
    this.disk = new SimDisk({ root: '/sim' }, { scheduler: this.scheduler, prng });
    this.machine.boot();
  }

  get process(): Process {
    const { process } = this.machine;
    if (process === null) throw new Error('no process runs');
    return process;
  }

  /** As the process that runs now sees it. */
  get own(): Disk {
    return this.disk.of(this.process);
  }

  /** The process is killed, and the next one begins. */
  kill(): void {
    this.machine.kill();
    this.disk.killed();
    this.machine.boot();
  }

  /** The power is cut and comes back. */
  cut(): void {
    this.machine.kill();
    this.disk.powerCut();
    this.machine.boot();
  }

  /** Lets time go on until it is settled. */
  async when<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    for (await turn(); !isSettled; await turn()) {
      if (!this.scheduler.step()) throw new Error('it never ends');
    }
    return promise;
  }

  /** Lets everything happen that is due in so many ms. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.scheduler.nowMs + ms;
    this.scheduler.after(ms, () => undefined);
    while ((this.scheduler.nextMs() ?? Number.POSITIVE_INFINITY) <= untilMs) {
      this.scheduler.step();
      await turn();
    }
  }

  /** How long it takes, in ms. */
  async timed(work: Promise<unknown>): Promise<number> {
    const startedMs = this.scheduler.nowMs;
    await this.when(work);
    return this.scheduler.nowMs - startedMs;
  }
}

/** Lets all promises go on that can. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What a write takes. */
export const text = (letters: string) => [Buffer.from(letters)];

/** What a file of that name holds, `null` when there is none. */
export function found({ disk }: DiskWorld, path: string): string | null {
  return disk.paths().includes(path) ? disk.bytesOf(path).toString('latin1') : null;
}

/** Runs the same in many worlds, and gives back how often each answer came. */
export async function over(
  seeds: number,
  run: (world: DiskWorld, seed: number) => Promise<unknown>,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (let seed = 1; seed <= seeds; seed++) {
    const answer = String(await run(new DiskWorld(seed), seed));
    counts.set(answer, (counts.get(answer) ?? 0) + 1);
  }
  return counts;
}

/** A file that holds `letters`, all of it synced, its name too. */
export async function synced(world: DiskWorld, path: string, letters: string): Promise<DiskFile> {
  const work = async () => {
    const file = await world.own.open(path, { create: true });
    await file.write(0, text(letters));
    await file.sync();
    await world.own.syncDirectory('');
    return file;
  };
  return world.when(work());
}

/** How it ended: `done`, or the error's code. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'done';
  } catch (error) {
    return error instanceof CatenaError ? error.code : String(error);
  }
}

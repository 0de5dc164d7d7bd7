import { setTimeout as sleep } from 'node:timers/promises';
import { unreachable } from '../../src/base/assert.ts';
import { describeFault, type Fault, type Planned } from './schedule.ts';
import type { Testbed } from './testbed.ts';

/** While a disk is full somebody has to write, or nobody notices: values so large, that often. */
const LARGE_BYTES = 100_000;
const LARGE_EVERY_MS = 20;

/** Carries out the faults of one round, each with its recovery. */
export class FaultRun {
  readonly #bed: Testbed;
  readonly #say: (line: string, kind: Fault['kind']) => void;
  readonly #ended = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  /** Processes that a fault holds down, so that no other one starts them. */
  readonly #down = new Set<string>();

  /** `say` is told of each fault when it begins, and what came of it if that is worth a word. */
  constructor(bed: Testbed, say: (line: string, kind: Fault['kind']) => void) {
    this.#bed = bed;
    this.#say = say;
  }

  /** Ends behind the last fault's beginning, or when `signal` aborts. */
  async play(planned: readonly Planned[], signal: AbortSignal): Promise<void> {
    const startMs = performance.now();
    for (const { atMs, fault } of planned) {
      await sleep(Math.max(0, startMs + atMs - performance.now()), undefined, { signal }).catch(() => {});
      if (signal.aborted || this.#bed.ends.length > 0) return;
      this.#begin(fault);
    }
  }

  /** Ends all faults that last, and brings everything back. */
  async recover(): Promise<void> {
    this.#ended.abort();
    await Promise.all(this.#underWay);
    this.#bed.resumeAll();
    this.#bed.startAll();
  }

  #begin(fault: Fault): void {
    const underWay = this.#do(fault)
      .catch((error: unknown) => this.#say(`could not: ${describeFault(fault)}: ${error}`, fault.kind))
      .finally(() => this.#underWay.delete(underWay));
    this.#underWay.add(underWay);
  }

  async #do(fault: Fault): Promise<void> {
    if (fault.kind !== 'edit') this.#say(describeFault(fault), fault.kind);
    switch (fault.kind) {
      case 'kill':
        await Promise.all(fault.victims.map(({ name, downMs }) => this.#kill(name, downMs)));
        return;
      case 'pause':
        this.#bed.pause(fault.name);
        await this.#last(fault.forMs);
        return this.#bed.resume(fault.name);
      case 'break':
        return this.#bed.network.breakBetween(fault.a, fault.b);
      case 'cut': {
        const end = this.#bed.network.trouble(fault.ways, fault.trouble);
        await this.#last(fault.forMs);
        return end();
      }
      case 'full-disk':
        return this.#fillDisk(fault.forMs);
      case 'clock':
        this.#bed.clocks.get(fault.name)?.set(fault.jumpMs);
        await this.#last(fault.forMs);
        return this.#bed.clocks.get(fault.name)?.set(0);
      case 'edit':
        return this.#say(`${describeFault(fault)}: ${await this.#bed.edit(fault.edit)}`, 'edit');
      default:
        return unreachable(fault);
    }
  }

  async #kill(name: string, downMs: number): Promise<void> {
    if (this.#down.has(name)) return;
    this.#down.add(name);
    await this.#bed.kill(name);
    await this.#last(downMs);
    this.#bed.start(name);
    this.#down.delete(name);
  }

  async #fillDisk(forMs: number): Promise<void> {
    await this.#bed.disk?.fill();
    const writing = this.#writeLarge();
    await this.#last(forMs);
    await this.#bed.disk?.free();
    writing.abort();
  }

  /** What becomes of these writes does not matter: nobody reads those keys. */
  #writeLarge(): AbortController {
    const over = new AbortController();
    const body = 'x'.repeat(LARGE_BYTES);
    const write = async (): Promise<void> => {
      for (let at = 0; !over.signal.aborted; at++) {
        const node = this.#bed.nodes[at % this.#bed.nodes.length] ?? '';
        const signal = AbortSignal.any([over.signal, AbortSignal.timeout(500)]);
        await fetch(`${this.#bed.url(node)}/set/large-${at % 10}`, { method: 'PUT', body, signal })
          .then((answer) => answer.arrayBuffer())
          .catch(() => null);
        await sleep(LARGE_EVERY_MS);
      }
    };
    const writing = write().finally(() => this.#underWay.delete(writing));
    this.#underWay.add(writing);
    return over;
  }

  /** For so long, or until all faults end. */
  async #last(forMs: number): Promise<void> {
    await sleep(forMs, undefined, { signal: this.#ended.signal }).catch(() => {});
  }
}

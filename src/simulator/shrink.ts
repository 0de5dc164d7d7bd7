import type { Plan } from './plan.ts';
import { type Result, run } from './run.ts';

/** Runs that a search may take. */
const RUNS_MAX = 600;

/** The smallest plan that was found to fail still, and how it fails. */
export interface Shrunk {
  readonly plan: Plan;
  readonly result: Result;
  /** Runs that it took. */
  readonly runs: number;
}

/**
 * Leaves out faults, clients and their calls for as long as the same invariant is broken (delta debugging: Zeller and
 * Hildebrandt, 2002). A plan that does not fail comes back as it is.
 */
export async function shrink(plan: Plan, { runsMax = RUNS_MAX }: { runsMax?: number } = {}): Promise<Shrunk> {
  const search = new Search(plan, await run(plan), runsMax);
  if (search.best.result.failure === null) return search.best;
  await search.endSooner();
  for (let before = Number.POSITIVE_INFINITY; sizeOf(search.best.plan) < before; ) {
    before = sizeOf(search.best.plan);
    await search.leaveOut(
      (known) => known.clients,
      (known, clients) => ({ ...known, clients }),
    );
    await search.leaveOut(
      (known) => known.faults,
      (known, faults) => ({ ...known, faults }),
    );
    for (let at = 0; at < search.best.plan.clients.length; at++) {
      await search.leaveOut(
        (known) => known.clients[at]?.asks ?? [],
        (known, asks) => ({
          ...known,
          clients: known.clients.map((client, place) => (place === at ? { ...client, asks } : client)),
        }),
      );
    }
  }
  return search.best;
}

function sizeOf({ faults, clients }: Plan): number {
  return faults.length + clients.reduce((sum, { asks }) => sum + 1 + asks.length, 0);
}

class Search {
  readonly #invariant: string | undefined;
  readonly #runsMax: number;
  #best: Shrunk;

  constructor(plan: Plan, result: Result, runsMax: number) {
    this.#best = { plan, result, runs: 1 };
    this.#invariant = result.failure?.invariant;
    this.#runsMax = runsMax;
  }

  get best(): Shrunk {
    return this.#best;
  }

  /** What comes after the failure had no part in it. */
  async endSooner(): Promise<void> {
    const { plan } = this.#best;
    const lastMs = Math.max(0, ...plan.faults.map(({ atMs }) => atMs));
    for (const part of [0.25, 0.5, 0.75]) {
      const chaosMs = Math.ceil(lastMs * part) + 1;
      const faults = plan.faults.filter(({ atMs }) => atMs < chaosMs);
      if (await this.#takes({ ...plan, setup: { ...plan.setup, chaosMs }, faults })) return;
    }
  }

  /** Tries to do without ever smaller stretches of a list. */
  async leaveOut<T>(
    listOf: (plan: Plan) => readonly T[],
    withList: (plan: Plan, list: readonly T[]) => Plan,
  ): Promise<void> {
    for (let size = listOf(this.#best.plan).length; size >= 1; size = Math.floor(size / 2)) {
      for (let at = 0; at < listOf(this.#best.plan).length; ) {
        const list = listOf(this.#best.plan);
        const rest = [...list.slice(0, at), ...list.slice(at + size)];
        if (!(await this.#takes(withList(this.#best.plan, rest)))) at += size;
      }
    }
  }

  async #takes(plan: Plan): Promise<boolean> {
    if (this.#best.runs >= this.#runsMax) return false;
    const result = await run(plan);
    const runs = this.#best.runs + 1;
    const fails = result.failure?.invariant === this.#invariant;
    this.#best = fails ? { plan, result, runs } : { ...this.#best, runs };
    return fails;
  }
}

import type { Plan } from './plan.ts';
import type { Result } from './run.ts';

/** A failed run in words: what broke, when, and how to see it again. */
export function describeFailure({ seed, failure }: Result, rerun: string): string {
  if (failure === null) return `seed=${seed} passed`;
  const { invariant, what, step, atMs } = failure;
  return `seed=${seed} step=${step} at ${atMs.toFixed(1)} ms: ${invariant} broken · ${rerun}\n${what}`;
}

/** What is left of a plan, a line for each fault and client. */
export function describePlan({ setup, faults, clients }: Plan): string {
  const { nodes, replicas, reads, durability, timing } = setup;
  return [
    `${nodes} nodes, ${replicas} replicas, reads ${reads}, durability ${durability}, ${JSON.stringify(timing)}, faults for ${setup.chaosMs} ms`,
    ...faults.map(({ atMs, ...fault }) => `  at ${atMs} ms: ${JSON.stringify(fault)}`),
    ...clients.map(
      ({ name, asks }) => `  client ${name}: ${asks.map(({ wish }) => JSON.stringify(wish)).join(' ')}`,
    ),
  ].join('\n');
}

/** Sums of many runs. */
export interface Totals {
  readonly runs: number;
  readonly failed: readonly number[];
  readonly simulatedMs: number;
  readonly events: number;
  readonly configurations: number;
  readonly committed: number;
  readonly calls: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  /** Runs of which the checker left some keys unjudged. */
  readonly gaveUp: number;
  readonly settledMsMax: number;
}

/** Before the first run. */
export const NO_RUNS: Totals = {
  runs: 0,
  failed: [],
  simulatedMs: 0,
  events: 0,
  configurations: 0,
  committed: 0,
  calls: {},
  faults: {},
  gaveUp: 0,
  settledMsMax: 0,
};

/** With one run more. */
export function withRun(totals: Totals, result: Result): Totals {
  return {
    runs: totals.runs + 1,
    failed: result.failure === null ? totals.failed : [...totals.failed, result.seed],
    simulatedMs: totals.simulatedMs + result.simulatedMs,
    events: totals.events + result.events,
    configurations: totals.configurations + result.configurations,
    committed: totals.committed + result.committed,
    calls: sums(totals.calls, { ...result.calls }),
    faults: sums(totals.faults, result.faults),
    gaveUp: totals.gaveUp + (result.gaveUp ? 1 : 0),
    settledMsMax: Math.max(totals.settledMsMax, result.settledMs),
  };
}

/** The sums in words. */
export function describeTotals(totals: Totals): string {
  const { runs, failed, simulatedMs, events, configurations, committed, calls, faults, gaveUp } = totals;
  const hours = (simulatedMs / 3_600_000).toFixed(1);
  const kinds = Object.entries(faults).map(([kind, count]) => `${kind} ${count}`);
  const inAll = Object.values(faults).reduce((sum, count) => sum + count, 0);
  return [
    `${runs} runs, ${failed.length} failed${failed.length > 0 ? ` (seeds ${failed.slice(0, 20).join(', ')})` : ''}`,
    `${hours} simulated hours, ${events} events, ${committed} entries committed, ${configurations} configurations`,
    `${inAll} faults: ${kinds.join(', ')}`,
    `calls: ${Object.entries(calls)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')}`,
    `the longest way back to rest: ${Math.round(totals.settledMsMax)} ms; histories that the checker gave up on: ${gaveUp}`,
  ].join('\n');
}

function sums(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): Record<string, number> {
  const sum: Record<string, number> = { ...a };
  for (const [name, count] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}

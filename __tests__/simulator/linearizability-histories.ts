import type { ErrorCode } from '../../src/base/errors.ts';
import { seq } from '../../src/base/ids.ts';
import { compareUtf8 } from '../../src/base/utf8.ts';
import { isWrite, type Operation, type OperationResult } from '../../src/protocol/command.ts';
import type { Asked, Call, Told, ToldResult } from '../../src/simulator/history.ts';
import { entry } from '../support/builders.ts';
import { ModelStore } from '../support/model-store.ts';

/** What one client asks, and when: offsets in ms that the maker adds up. */
export interface Wish {
  readonly client: number;
  readonly asked: Asked;
  readonly pauseMs: number;
  readonly untilPointMs: number;
  readonly untilAnswerMs: number;
  readonly fate: 'answered' | 'unanswered' | 'unanswered-without-effect';
  readonly saysVersion: boolean;
}

interface Planned extends Wish {
  readonly fromMs: number;
  readonly pointMs: number;
}

/** A history of calls that did take effect one by one: each at its point, between call and answer. */
export function historyOf(wishes: readonly Wish[]): Call[] {
  const store = new ModelStore();
  const freeAtMs = new Map<number, number>();
  const planned: Planned[] = wishes.map((wish) => {
    const fromMs = (freeAtMs.get(wish.client) ?? 0) + wish.pauseMs;
    const pointMs = fromMs + wish.untilPointMs;
    // A client that got no answer goes on before what it asked for has happened.
    freeAtMs.set(wish.client, wish.fate === 'answered' ? pointMs + wish.untilAnswerMs : fromMs + 1);
    return { ...wish, fromMs, pointMs };
  });
  planned.sort((a, b) => a.pointMs - b.pointMs);
  let last = 0;
  const calls = planned.flatMap((wish): Call[] => {
    const { client, asked, fate, fromMs, pointMs, untilAnswerMs } = wish;
    if ((store.nextExpiryMs() ?? Number.POSITIVE_INFINITY) <= pointMs) {
      last += 1;
      store.apply(entry({ kind: 'tick' }, { seq: last, timeMs: pointMs }));
    }
    const isRead = asked.kind === 'page' || !asked.operations.some(isWrite);
    if (isRead && fate !== 'answered') return [];
    if (!isRead && fate !== 'unanswered-without-effect') last += 1;
    const told = fate === 'unanswered-without-effect' ? null : tell(store, asked, last, wish);
    const answer = fate === 'answered' && told !== null ? { told, atMs: pointMs + untilAnswerMs } : null;
    return [{ client: `c${client}`, asked, calledAtMs: fromMs, answer }];
  });
  return calls.sort((a, b) => a.calledAtMs - b.calledAtMs);
}

function tell(store: ModelStore, asked: Asked, at: number, { saysVersion, pointMs }: Planned): Told {
  if (asked.kind === 'page') return turn(store, asked);
  const { atomic, operations } = asked;
  const { outcome } = store.apply(entry({ kind: 'batch', atomic, operations }, { seq: at, timeMs: pointMs }));
  if (outcome.kind === 'rejected') throw new Error('without a request id nothing is rejected');
  if (outcome.kind === 'refused') {
    const { index, failure } = outcome;
    return { kind: 'refused', index, code: failure.code, version: failure.version };
  }
  const version = saysVersion || operations.some(({ op }) => op === 'set' || op === 'increment') ? at : null;
  return { kind: 'done', version, results: outcome.results.map(toldOf) };
}

function toldOf(result: OperationResult): ToldResult {
  if (result.kind !== 'got') return result;
  const { record } = result;
  return { kind: 'got', record: record ? { ...record.value, version: record.version } : record };
}

function turn(store: ModelStore, { prefix, after, limit }: Extract<Asked, { kind: 'page' }>): Told {
  const all = store
    .keys()
    .filter(({ key }) => key.startsWith(prefix) && (after === null || compareUtf8(key, after) > 0));
  const shown = all.slice(0, limit).map(({ key, record }) => ({ key, version: Number(record.version) }));
  return { kind: 'page', keys: shown, next: all.length > limit ? (shown.at(-1)?.key ?? null) : null };
}

/** A set of text, for ever and without condition unless `more` says otherwise. */
export function put(
  key: string,
  bytes: string,
  more: { ttlMs?: number; ifVersion?: number } = {},
): Operation {
  const { ttlMs = null, ifVersion } = more;
  const condition = ifVersion === undefined ? null : { kind: 'version' as const, version: seq(ifVersion) };
  return { op: 'set', key, value: { bytes, contentType: 'text/plain' }, ttlMs, condition };
}

/** The other operations, and what is told of them. */
export const get = (key: string): Operation => ({ op: 'get', key });
export const remove = (key: string): Operation => ({ op: 'delete', key, condition: null });
export const increment = (key: string, by = 1): Operation => ({ op: 'increment', key, by });
export const check = (key: string, version: number): Operation => ({
  op: 'check',
  key,
  version: seq(version),
});
export const expire = (key: string, ttlMs: number | null): Operation => ({ op: 'expire', key, ttlMs });

export const created: ToldResult = { kind: 'set', created: true };
export const replaced: ToldResult = { kind: 'set', created: false };
export const deleted: ToldResult = { kind: 'deleted', deleted: true };
export const absent: ToldResult = { kind: 'got', record: null };
export const got = (bytes: string, version: number | null): ToldResult => ({
  kind: 'got',
  record: { bytes, contentType: null, version },
});

/** Calls of one client, `times` in ms: `[from, until]`, or `[from]` for one that got no answer. */
export function client(name: string) {
  const call = (times: readonly [number, number?], asked: Asked, told: Told): Call => {
    const [calledAtMs, atMs] = times;
    return { client: name, asked, calledAtMs, answer: atMs === undefined ? null : { told, atMs } };
  };
  type Times = readonly [number, number?];
  const batch =
    (atomic: boolean) =>
    (
      times: Times,
      operations: readonly Operation[],
      results: readonly ToldResult[] = [],
      version: number | null = null,
    ) =>
      call(times, { kind: 'operations', atomic, operations }, { kind: 'done', version, results });
  return {
    batch: batch(true),
    loose: batch(false),
    /** One operation. `version`: of the entry, if it was told. */
    does: (times: Times, operation: Operation, result?: ToldResult, version: number | null = null) =>
      batch(true)(times, [operation], result === undefined ? [] : [result], version),
    refused: (
      times: Times,
      operations: readonly Operation[],
      told: { index?: number; code?: ErrorCode; version: number | null },
    ) =>
      call(
        times,
        { kind: 'operations', atomic: true, operations },
        { kind: 'refused', index: 0, code: 'PRECONDITION_FAILED', ...told },
      ),
    lists: (
      times: Times,
      prefix: string,
      keys: Readonly<Record<string, number>>,
      more: { after?: string; limit?: number; next?: string } = {},
    ) => {
      const { after = null, limit = 100, next = null } = more;
      const shown = Object.entries(keys).map(([key, version]) => ({ key, version }));
      return call(times, { kind: 'page', prefix, after, limit }, { kind: 'page', keys: shown, next });
    },
  };
}

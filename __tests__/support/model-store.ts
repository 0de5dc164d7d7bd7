import type { Seq } from '../../src/base/ids.ts';
import { seq } from '../../src/base/ids.ts';
import type {
  Condition,
  Operation,
  OperationFailure,
  OperationResult,
  Outcome,
  StoredRecord,
} from '../../src/protocol/command.ts';
import type { Entry } from '../../src/protocol/entry.ts';
import { bornMsOf } from '../../src/protocol/request-id.ts';

interface Known {
  readonly id: string;
  readonly timeMs: number;
  readonly bornMs: number | null;
  readonly command: string;
  readonly outcome: Outcome;
}

/** The store as simply as it can be said: plain arrays, searched and copied whole. */
export class ModelStore {
  records = new Map<string, StoredRecord>();
  known: Known[] = [];

  apply(entry: Entry): { outcome: Outcome; replayed: boolean } {
    this.#forget(entry.timeMs);
    if (entry.requestId === null) return { outcome: this.#execute(entry), replayed: false };
    const command = JSON.stringify(entry.command);
    const bornMs = bornMsOf(entry.requestId);
    const known = this.known.find(({ id }) => id === entry.requestId);
    if (known !== undefined) {
      return known.command === command
        ? { outcome: known.outcome, replayed: true }
        : { outcome: { kind: 'rejected', code: 'REQUEST_ID_REUSED' }, replayed: false };
    }
    if (bornMs !== null && (bornMs + 10_000 < entry.timeMs || bornMs - 10_000 > entry.timeMs)) {
      return { outcome: { kind: 'rejected', code: 'REQUEST_ID_EXPIRED' }, replayed: false };
    }
    const outcome = this.#execute(entry);
    const remembered = withoutValues(outcome);
    this.known.push({ id: entry.requestId, timeMs: entry.timeMs, bornMs, command, outcome: remembered });
    return { outcome, replayed: false };
  }

  keys(): { key: string; record: StoredRecord }[] {
    return [...this.records]
      .map(([key, record]) => ({ key, record }))
      .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  }

  bytes(): number {
    let sum = 0;
    for (const { key, record } of this.keys()) {
      sum += Buffer.byteLength(key) + record.value.bytes.length + record.value.contentType.length + 64;
    }
    return sum;
  }

  nextExpiryMs(): number | null {
    const expiries = this.keys().flatMap(({ record }) => record.expiresAtMs ?? []);
    return expiries.length === 0 ? null : Math.min(...expiries);
  }

  /** Oldest first, and only while the oldest of its kind is over. */
  #forget(nowMs: number): void {
    const isOver = ({ timeMs, bornMs }: Known) =>
      bornMs === null ? timeMs + 600_000 < nowMs : Math.max(timeMs, bornMs) + 10_000 < nowMs;
    const dropOver = (all: Known[]) => {
      const first = all.findIndex((known) => !isOver(known));
      return first < 0 ? [] : all.slice(first);
    };
    this.known = [
      ...dropOver(this.known.filter(({ bornMs }) => bornMs === null)),
      ...dropOver(this.known.filter(({ bornMs }) => bornMs !== null)),
    ];
  }

  #execute({ command, seq: at, timeMs }: Entry): Outcome {
    if (command.kind === 'tick') {
      const due = this.keys().filter(
        ({ record }) => record.expiresAtMs !== null && record.expiresAtMs <= timeMs,
      );
      due.sort((a, b) => Number(a.record.expiresAtMs) - Number(b.record.expiresAtMs));
      for (const { key } of due.slice(0, 1000)) this.records.delete(key);
      return { kind: 'done', seq: at, results: [] };
    }
    const operations = command.kind === 'single' ? [command.operation] : command.operations;
    const before = new Map(this.records);
    const results = operations.map((operation) => this.#operate(operation, at, timeMs));
    const index = results.findIndex(({ kind }) => kind === 'failed');
    if (index < 0 || (command.kind === 'batch' && !command.atomic)) return { kind: 'done', seq: at, results };
    this.records = before;
    return { kind: 'refused', seq: at, index, failure: results[index] as OperationFailure };
  }

  #operate(operation: Operation, at: Seq, timeMs: number): OperationResult {
    const { key } = operation;
    const old = this.records.get(key);
    const fail = (code: OperationFailure['code']): OperationFailure => ({
      kind: 'failed',
      code,
      version: old?.version ?? seq(0),
    });
    const expiry = (ttlMs: number | null) => (ttlMs === null ? null : timeMs + ttlMs);
    switch (operation.op) {
      case 'get':
        return { kind: 'got', record: old ?? null };
      case 'check':
        return operation.version === (old?.version ?? 0) ? { kind: 'checked' } : fail('PRECONDITION_FAILED');
      case 'set':
        if (!holds(operation.condition, old)) return fail('PRECONDITION_FAILED');
        this.records.set(key, { value: operation.value, version: at, expiresAtMs: expiry(operation.ttlMs) });
        return { kind: 'set', created: old === undefined };
      case 'delete':
        if (!holds(operation.condition, old)) return fail('PRECONDITION_FAILED');
        return { kind: 'deleted', deleted: this.records.delete(key) };
      case 'expire':
        if (old === undefined) return fail('KEY_NOT_FOUND');
        this.records.set(key, { ...old, expiresAtMs: expiry(operation.ttlMs) });
        return { kind: 'expiry', version: old.version };
      case 'increment': {
        const text = old?.value.bytes ?? '0';
        if (String(BigInt(/^-?\d{1,16}$/.test(text) ? text : 1n << 99n)) !== text)
          return fail('NOT_AN_INTEGER');
        const sum = BigInt(text) + BigInt(operation.by);
        if (!Number.isSafeInteger(Number(text))) return fail('NOT_AN_INTEGER');
        if (sum > 9007199254740991n || sum < -9007199254740991n) return fail('OUT_OF_RANGE');
        const value = { bytes: String(sum), contentType: old?.value.contentType ?? '' };
        this.records.set(key, { value, version: at, expiresAtMs: old?.expiresAtMs ?? null });
        return { kind: 'incremented', value: Number(sum) };
      }
    }
  }
}

function holds(condition: Condition | null, old: StoredRecord | undefined): boolean {
  if (condition === null) return true;
  if (condition.kind === 'version') return condition.version === (old?.version ?? 0);
  return (condition.kind === 'exists') === (old !== undefined);
}

function withoutValues(outcome: Outcome): Outcome {
  if (outcome.kind !== 'done') return outcome;
  const results = outcome.results.map((result) =>
    result.kind === 'got' ? { ...result, record: undefined } : result,
  );
  return { ...outcome, results };
}

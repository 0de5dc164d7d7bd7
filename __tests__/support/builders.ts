import {
  type Epoch,
  epoch,
  NO_SEQ,
  next,
  type RequestId,
  requestId,
  type Seq,
  seq,
} from '../../src/base/ids.ts';
import type {
  CheckOperation,
  Command,
  Condition,
  DeleteOperation,
  ExpireOperation,
  GetOperation,
  IncrementOperation,
  Operation,
  SetOperation,
  Value,
} from '../../src/protocol/command.ts';
import type { Entry } from '../../src/protocol/entry.ts';
import { headRequestId } from '../../src/protocol/request-id.ts';

export const EXISTS: Condition = { kind: 'exists' };
export const ABSENT: Condition = { kind: 'absent' };
export const version = (number: number): Condition => ({ kind: 'version', version: seq(number) });

export function value(bytes: string, contentType = ''): Value {
  return { bytes, contentType };
}

/** Stores a text, or any value, under a key; for ever and unconditionally unless told otherwise. */
export function set(
  key: string,
  what: string | Value,
  options: { ttlMs?: number; condition?: Condition } = {},
): SetOperation {
  return {
    op: 'set',
    key,
    value: typeof what === 'string' ? value(what) : what,
    ttlMs: options.ttlMs ?? null,
    condition: options.condition ?? null,
  };
}

/** The `delete` operation. */
export function remove(key: string, condition: Condition | null = null): DeleteOperation {
  return { op: 'delete', key, condition };
}

export const increment = (key: string, by = 1): IncrementOperation => ({ op: 'increment', key, by });
export const expire = (key: string, ttlMs: number | null): ExpireOperation => ({ op: 'expire', key, ttlMs });
export const get = (key: string): GetOperation => ({ op: 'get', key });
export const check = (key: string, number: number): CheckOperation => ({
  op: 'check',
  key,
  version: seq(number),
});

export const single = (operation: Operation): Command => ({ kind: 'single', operation });
/** A batch, atomic unless told otherwise. */
export function batch(operations: readonly Operation[], options: { atomic?: boolean } = {}): Command {
  return { kind: 'batch', atomic: options.atomic ?? true, operations };
}
export const TICK: Command = { kind: 'tick' };

export const clientId = (text: string): RequestId => requestId(text);
/** An id that a head made at `bornMs`. */
export function headId(bornMs: number, count = 1): RequestId {
  return headRequestId({ epoch: epoch(1), count, bornMs });
}

/** An entry; seq 1 of epoch 1 at log time 0 unless told otherwise. */
export function entry(
  command: Command,
  fields: { epoch?: number; seq?: number; timeMs?: number; requestId?: RequestId | null } = {},
): Entry {
  return {
    epoch: epoch(fields.epoch ?? 1),
    seq: seq(fields.seq ?? 1),
    timeMs: fields.timeMs ?? 0,
    requestId: fields.requestId ?? null,
    command,
    encoded: null,
  };
}

/** Makes entries that follow each other, as one head would. */
export class EntrySequence {
  readonly #epoch: Epoch;
  #seq: Seq;
  #timeMs: number;

  constructor(start: { epoch?: number; after?: Seq; timeMs?: number } = {}) {
    this.#epoch = epoch(start.epoch ?? 1);
    this.#seq = start.after ?? NO_SEQ;
    this.#timeMs = start.timeMs ?? 0;
  }

  /** The log time of the last entry. */
  get timeMs(): number {
    return this.#timeMs;
  }

  /** The next entry, `laterMs` after the last. */
  next(command: Command, options: { laterMs?: number; requestId?: RequestId | null } = {}): Entry {
    this.#seq = next(this.#seq);
    this.#timeMs += options.laterMs ?? 0;
    return {
      epoch: this.#epoch,
      seq: this.#seq,
      timeMs: this.#timeMs,
      requestId: options.requestId ?? null,
      command,
      encoded: null,
    };
  }
}

import { unreachable } from '../base/assert.ts';
import { type Seq, seq } from '../base/ids.ts';
import type { Condition, Operation, Value } from '../protocol/command.ts';
import type { Asked, Told, ToldResult } from './history.ts';
import type { PlannedCondition, PlannedOperation, Wish } from './workload.ts';

/** What a client has seen so far, which decides what its later calls ask. */
export class ClientMemory {
  readonly #versions = new Map<string, Seq>();
  /** By prefix, where the last page ended if more followed. */
  readonly #pageEnds = new Map<string, string | null>();

  /** What a wish comes to now. */
  asked(wish: Wish): Asked {
    switch (wish.kind) {
      case 'single':
        return { kind: 'operations', atomic: true, operations: [this.#operation(wish.operation)] };
      case 'batch': {
        const operations = wish.operations.map((operation) => this.#operation(operation));
        return { kind: 'operations', atomic: wish.atomic, operations };
      }
      case 'page': {
        const { prefix, limit, goesOn } = wish;
        const after = goesOn ? (this.#pageEnds.get(prefix) ?? null) : null;
        return { kind: 'page', prefix, after, limit };
      }
      default:
        return unreachable(wish);
    }
  }

  learn(asked: Asked, told: Told): void {
    if (asked.kind === 'page') {
      if (told.kind !== 'page') return;
      this.#pageEnds.set(asked.prefix, told.next);
      for (const { key, version } of told.keys) this.#saw(key, version);
    } else if (told.kind === 'refused') {
      const failed = asked.operations[told.index];
      if (failed !== undefined) this.#saw(failed.key, told.version);
    } else if (told.kind === 'done') {
      for (const [at, { key }] of asked.operations.entries()) {
        const result = told.results[at];
        if (result !== undefined) this.#saw(key, versionIn(result, told.version));
      }
    }
  }

  #saw(key: string, version: number | null): void {
    if (version !== null) this.#versions.set(key, seq(version));
  }

  #seen(key: string): Seq {
    return this.#versions.get(key) ?? seq(0);
  }

  #operation(planned: PlannedOperation): Operation {
    const { key } = planned;
    switch (planned.op) {
      case 'set': {
        const { text, bytesMin, ttlMs, condition } = planned;
        const value: Value = { bytes: text.padEnd(bytesMin, '.'), contentType: '' };
        return { op: 'set', key, value, ttlMs, condition: this.#condition(key, condition) };
      }
      case 'delete':
        return { op: 'delete', key, condition: this.#condition(key, planned.condition) };
      case 'check':
        return { op: 'check', key, version: this.#seen(key) };
      case 'get':
      case 'increment':
      case 'expire':
        return planned;
      default:
        return unreachable(planned);
    }
  }

  #condition(key: string, planned: PlannedCondition | null): Condition | null {
    if (planned === 'seen') return { kind: 'version', version: this.#seen(key) };
    return planned === null ? null : { kind: planned };
  }
}

/** What a result says of its key's version; `written` is that of what the call wrote. */
function versionIn(result: ToldResult, written: number | null): number | null {
  switch (result.kind) {
    case 'set':
    case 'incremented':
      return written;
    case 'deleted':
      return 0;
    case 'expiry':
    case 'failed':
      return result.version;
    case 'got':
      if (result.record === undefined) return null;
      return result.record === null ? 0 : result.record.version;
    case 'checked':
      return null;
    default:
      return unreachable(result);
  }
}

import type { Asked, Call } from '../../src/simulator/history.ts';
import type { Work } from '../torture/workload.ts';

/** Writes of values that stay: each under a key of its own, so that whether one was lost can be seen by looking for it. */
export class KeptWrites implements Work {
  readonly prefix: string;
  #count = 0;

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  next(): Asked {
    const key = `${this.prefix}${this.#count++}`;
    const value = { bytes: `value of ${key}`, contentType: '' };
    return {
      kind: 'operations',
      atomic: true,
      operations: [{ op: 'set', key, value, ttlMs: null, condition: null }],
    };
  }

  /** Nothing depends on versions here. */
  seen(): void {}
}

/** What became of the writes under a prefix, by what is there in the end. */
export interface KeptCount {
  readonly acknowledged: number;
  /** Calls that were given up without an answer: they may be there or not. */
  readonly unknown: number;
  /** Keys whose acknowledged value is not there. */
  readonly lost: readonly string[];
}

/** Counts the writes of `KeptWrites` in a history. `there`: the values of all keys under its prefix. */
export function countKept(
  calls: readonly Call[],
  prefix: string,
  there: ReadonlyMap<string, string>,
): KeptCount {
  const writes = calls.flatMap(({ asked, answer }) => {
    const [first] = asked.kind === 'operations' ? asked.operations : [];
    if (first?.op !== 'set' || !first.key.startsWith(prefix)) return [];
    return [{ key: first.key, bytes: first.value.bytes, done: answer?.told.kind === 'done' }];
  });
  const acknowledged = writes.filter(({ done }) => done);
  return {
    acknowledged: acknowledged.length,
    unknown: writes.length - acknowledged.length,
    lost: acknowledged.flatMap(({ key, bytes }) => (there.get(key) === bytes ? [] : [key])),
  };
}

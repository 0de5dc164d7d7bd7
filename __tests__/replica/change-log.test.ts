import { NO_SEQ, seq } from '../../src/base/ids.ts';
import type { Command } from '../../src/protocol/command.ts';
import { ChangeLog } from '../../src/replica/change-log.ts';
import { Store } from '../../src/replica/store.ts';
import {
  ABSENT,
  batch,
  check,
  clientId,
  EntrySequence,
  expire,
  get,
  increment,
  remove,
  set,
  single,
  TICK,
  value,
} from '../support/builders.ts';
import { changesAfter } from '../support/changes.ts';

/** A store, and what each command changed in it. */
function watched(options: { changeBytesMax?: number } = {}) {
  const store = new Store(options);
  const head = new EntrySequence({ timeMs: 1000 });
  const run = (command: Command, laterMs = 0) => {
    const before = store.seq;
    store.apply(head.next(command, { laterMs }));
    return changesAfter(store.changes, before);
  };
  return { store, run };
}

const isSet = (key: string, version: number, bytes: string, contentType = '') => ({
  kind: 'set',
  key,
  version,
  value: { bytes, contentType },
});

describe('what an entry changed', () => {
  test('is the value that a set or an increment wrote, with the seq of the entry', () => {
    const { run } = watched();
    expect(run(single(set('k', value('v', 'text/html'))))).toEqual([isSet('k', 1, 'v', 'text/html')]);
    expect(run(single(increment('n', 5)))).toEqual([isSet('n', 2, '5')]);
    expect(run(single(increment('n', 2)))).toEqual([isSet('n', 3, '7')]);
  });

  test('is what a delete removed, and nothing where there was nothing', () => {
    const { run } = watched();
    run(single(set('k', 'v')));
    expect(run(single(remove('k')))).toEqual([{ kind: 'delete', key: 'k', version: 2 }]);
    expect(run(single(remove('k')))).toEqual([]);
  });

  test('is nothing for another ttl, a read, a condition that fails or a value that is no number', () => {
    const { run } = watched();
    run(single(set('k', 'text')));
    expect(run(single(expire('k', 5000)))).toEqual([]);
    expect(run(batch([get('k'), check('k', 1)]))).toEqual([]);
    expect(run(single(set('k', 'other', { condition: ABSENT })))).toEqual([]);
    expect(run(single(increment('k')))).toEqual([]);
  });

  test('is each operation of a batch in order, also several of one key and the same value again', () => {
    const { run } = watched();
    const all = [set('a', '1'), set('b', '2'), set('a', '1'), expire('a', 99), remove('b'), set('a', '3')];
    expect(run(batch(all))).toEqual([
      isSet('a', 1, '1'),
      isSet('b', 1, '2'),
      isSet('a', 1, '1'),
      { kind: 'delete', key: 'b', version: 1 },
      isSet('a', 1, '3'),
    ]);
  });

  test('is nothing of an atomic batch that fails, and what succeeded of one that is not atomic', () => {
    const { run, store } = watched();
    run(single(set('k', 'text')));
    const operations = [set('a', '1'), remove('k'), increment('n'), check('k', 7), set('b', '2')];
    expect(run(batch(operations))).toEqual([]);
    expect(changesAfter(store.changes, NO_SEQ)).toEqual([isSet('k', 1, 'text')]);
    expect(run(batch(operations, { atomic: false })).map(({ key, kind }) => `${kind} ${key}`)).toEqual([
      'set a',
      'delete k',
      'set n',
      'set b',
    ]);
  });

  test('stays when a batch of reads fails behind it', () => {
    const { store, run } = watched();
    run(single(set('k', 'v')));
    store.readBatch([get('k'), check('k', 99)], { atomic: true });
    expect(changesAfter(store.changes, NO_SEQ)).toEqual([isSet('k', 1, 'v')]);
  });

  test('is the keys that a tick removed, as expired, with the seq of the tick', () => {
    const { run } = watched();
    run(batch([set('a', '1', { ttlMs: 10 }), set('b', '2', { ttlMs: 20 }), set('c', '3')]));
    expect(run(TICK, 15)).toEqual([{ kind: 'expire', key: 'a', version: 2 }]);
    expect(run(TICK, 1)).toEqual([]);
    expect(run(single(remove('b')))).toEqual([{ kind: 'delete', key: 'b', version: 4 }]);
  });

  test('is nothing for the retry of a request that took effect', () => {
    const store = new Store();
    const head = new EntrySequence();
    const command = single(set('k', 'v'));
    const requestId = clientId('once');
    store.apply(head.next(command, { requestId }));
    store.apply(head.next(command, { requestId }));
    expect(changesAfter(store.changes, NO_SEQ)).toHaveLength(1);
    expect(store.changes.committed).toBe(2);
  });
});

describe('what is held', () => {
  test('begins behind a snapshot, whose own keys are no changes', () => {
    const { store, run } = watched();
    run(single(set('a', '1')));
    run(single(set('b', '2')));
    const { header, rows } = store.snapshot();
    const restored = new Store();
    restored.restore(header);
    for (const row of rows()) restored.restoreRow(row);
    expect(restored.changes).toMatchObject({ oldest: 2, committed: 2, start: 0, end: 0 });
    restored.apply(new EntrySequence({ after: seq(2), timeMs: 2000 }).next(single(remove('a'))));
    expect(changesAfter(restored.changes, seq(2))).toEqual([{ kind: 'delete', key: 'a', version: 3 }]);
  });

  test('weighs what it may and one entry more at most, and goes entry by entry, oldest first', () => {
    const bytesMax = 20_000;
    const { store, run } = watched({ changeBytesMax: bytesMax });
    const pair = (i: number) => batch([set(`a${i}`, 'x'.repeat(1000)), set(`b${i}`, 'y'.repeat(500))]);
    for (let i = 1; i <= 5000; i++) {
      run(pair(i));
      const { oldest, start, end } = store.changes;
      const kept = changesAfter(store.changes, oldest);
      expect(kept).toHaveLength(end - start);
      expect(kept.map(({ version }) => version)).toEqual(
        Array.from({ length: end - start }, (_, at) => oldest + 1 + Math.floor(at / 2)),
      );
      expect(kept.length * 750).toBeLessThan(bytesMax + 2000);
    }
    expect(store.changes.oldest).toBeGreaterThan(4900);
    expect(store.changes.placeAfter(store.changes.oldest)).toBe(store.changes.start);
    expect(() => store.changes.at(store.changes.start - 1)).toThrow();
  });

  test('counts for something even where keys and values are empty, so that there is an end to their number', () => {
    const log = new ChangeLog({ bytesMax: 100_000 });
    for (let i = 1; i <= 10_000; i++) {
      log.enter(seq(i), 'delete');
      log.note('', undefined);
    }
    expect(log.end - log.start).toBeLessThan(1000);
    expect(log.oldest).toBe(10_000 - (log.end - log.start));
  });

  test('goes on after entries that change nothing', () => {
    const { store, run } = watched();
    run(single(set('a', '1')));
    run(TICK);
    run(TICK);
    run(single(set('b', '2')));
    expect(store.changes.committed).toBe(4);
    expect(changesAfter(store.changes, seq(2)).map(({ version }) => version)).toEqual([4]);
    expect(changesAfter(store.changes, seq(4))).toEqual([]);
  });
});

import { TICK_KEYS_MAX } from '../../src/protocol/command.ts';
import { DueIndex } from '../../src/replica/expiry.ts';
import { Store } from '../../src/replica/store.ts';
import { batch, EntrySequence, expire, increment, remove, set, single, TICK } from '../support/builders.ts';

const keysOf = (store: Store) => [...store.entries('')].map(({ key }) => key);

describe('the due index', () => {
  test('gives the keys that are due, earliest first, ties in the order of keys, and no more than asked for', () => {
    const index = new DueIndex();
    index.add('\u{10000}', 5);
    index.add('\uffff', 5);
    index.add('late', 6);
    index.add('first', 4);
    expect(index.due(5, 10)).toEqual(['first', '\uffff', '\u{10000}']);
    expect(index.due(5, 2)).toEqual(['first', '\uffff']);
    expect(index.due(3, 2)).toEqual([]);
    expect([index.nextMs, index.size]).toEqual([4, 4]);
  });

  test('forgets what is removed, and holds that it was there', () => {
    const index = new DueIndex();
    index.add('a', 4);
    index.remove('a', 4);
    expect([index.nextMs, index.size]).toEqual([null, 0]);
    expect(() => index.remove('a', 4)).toThrow('the due index lacks "a" at 4');
    expect(() => index.add('a', Number.NaN)).toThrow('is not a number');
  });
});

describe('ticks', () => {
  test('remove the keys whose expiry has come by the time of the entry, and no others', () => {
    const store = new Store();
    const head = new EntrySequence({ timeMs: 100 });
    for (const [key, ttlMs] of [
      ['a', 10],
      ['b', 11],
      ['c', 5],
    ] as const) {
      store.apply(head.next(single(set(key, '1', { ttlMs }))));
    }
    store.apply(head.next(single(set('d', '1'))));
    expect(store.nextExpiryMs()).toBe(105);
    expect(store.apply(head.next(TICK, { laterMs: 10 }))).toEqual({
      outcome: { kind: 'done', seq: 5, results: [] },
      replayed: false,
    });
    expect(keysOf(store)).toEqual(['b', 'd']);
    expect(store.nextExpiryMs()).toBe(111);
  });

  test('alone remove keys: until then a key that is due is there for every reader and writer', () => {
    const store = new Store();
    const head = new EntrySequence();
    store.apply(head.next(single(set('n', '1', { ttlMs: 10 }))));
    store.apply(head.next(single(increment('n')), { laterMs: 1000 }));
    expect(store.get('n')).toEqual({ value: { bytes: '2', contentType: '' }, version: 2, expiresAtMs: 10 });
    store.apply(head.next(single(expire('n', 10))));
    store.apply(head.next(TICK));
    expect(keysOf(store)).toEqual(['n']);
    store.apply(head.next(TICK, { laterMs: 10 }));
    expect(keysOf(store)).toEqual([]);
  });

  test('remove a bounded number of keys, earliest first, and the next tick goes on', () => {
    const store = new Store();
    const head = new EntrySequence();
    const count = TICK_KEYS_MAX + 5;
    for (let i = 0; i < count; i++) store.apply(head.next(single(set(`k${i}`, '1', { ttlMs: count - i }))));
    store.apply(head.next(TICK, { laterMs: count }));
    expect(new Set(keysOf(store))).toEqual(new Set(['k0', 'k1', 'k2', 'k3', 'k4']));
    store.apply(head.next(TICK));
    expect([store.keyCount, store.bytes, store.nextExpiryMs()]).toEqual([0, 0, null]);
  });

  test('do nothing to a key that was deleted, rewritten or lifted meanwhile', () => {
    const store = new Store();
    const head = new EntrySequence();
    for (const key of ['a', 'b', 'c']) store.apply(head.next(single(set(key, '1', { ttlMs: 10 }))));
    store.apply(head.next(batch([remove('a'), set('b', '2'), expire('c', null), set('a', 'again')])));
    store.apply(head.next(TICK, { laterMs: 99 }));
    expect(keysOf(store)).toEqual(['a', 'b', 'c']);
    expect(store.nextExpiryMs()).toBeNull();
  });
});

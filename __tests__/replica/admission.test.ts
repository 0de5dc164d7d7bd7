import { growthOf } from '../../src/replica/admission.ts';
import { Store } from '../../src/replica/store.ts';
import {
  batch,
  check,
  EntrySequence,
  expire,
  get,
  increment,
  remove,
  set,
  single,
  TICK,
} from '../support/builders.ts';

/** A store that holds these keys, and the head that goes on writing to it. */
function holding(...keys: string[]) {
  const store = new Store();
  const head = new EntrySequence();
  for (const key of keys) store.apply(head.next(single(set(key, 'x'.repeat(100)))));
  return { store, head };
}

test('what only looks, or only changes a lifetime, adds nothing', () => {
  const { store } = holding('a');
  for (const operation of [get('a'), check('a', 1), expire('a', 50), get('absent'), expire('absent', 50)]) {
    expect(growthOf(single(operation), store)).toBe(0);
  }
  expect(growthOf(TICK, store)).toBe(0);
});

test.each([
  ['a new key', single(set('b', 'y'.repeat(10)))],
  ['a longer value', single(set('a', 'y'.repeat(300)))],
  ['a shorter value', single(set('a', 'y'))],
  ['a key that goes', single(remove('a'))],
  ['a key that is not there', single(remove('absent'))],
  ['several at once', batch([set('b', 'y'), remove('a'), get('a'), set('c', 'z'.repeat(50))])],
])('what is estimated for %s is what the store grows by', (_, command) => {
  const { store, head } = holding('a');
  const before = store.bytes;
  const estimated = growthOf(command, store);
  store.apply(head.next(command));
  expect(store.bytes - before).toBe(estimated);
});

test('an increment is estimated from above, whatever number it makes', () => {
  for (const by of [1, -1, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER]) {
    const { store, head } = holding();
    for (let time = 0; time < 2; time++) {
      const before = store.bytes;
      const command = single(increment('n', by));
      const estimated = growthOf(command, store);
      store.apply(head.next(command));
      expect(store.bytes - before).toBeLessThanOrEqual(estimated);
    }
  }
});

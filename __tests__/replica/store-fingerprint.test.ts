import fc from 'fast-check';
import type { Command } from '../../src/protocol/command.ts';
import { fingerprintOf } from '../../src/replica/fingerprint.ts';
import {
  ABSENT,
  batch,
  check,
  EXISTS,
  expire,
  get,
  increment,
  remove,
  set,
  single,
  TICK,
  value,
  version,
} from '../support/builders.ts';

const big = 'x'.repeat(5000);

test('commands that differ anywhere have different fingerprints', () => {
  const commands: Command[] = [
    TICK,
    batch([]),
    batch([], { atomic: false }),
    batch([get('a')]),
    batch([get('a')], { atomic: false }),
    batch([get('a'), get('a')]),
    batch([set('a', 'b'), get('c')]),
    batch([set('a', 'b\u0000'), get('c')]),
    ...[
      get('a'),
      get('b'),
      check('a', 0),
      check('a', 1),
      expire('a', null),
      expire('a', 0),
      expire('a', 1),
      increment('a', 1),
      increment('a', -1),
      remove('a'),
      remove('a', EXISTS),
      remove('a', ABSENT),
      remove('a', version(0)),
      remove('a', version(1)),
      set('a', ''),
      set('a', '1'),
      set('a', '\u00ff'),
      set('a', value('', '1')),
      set('a1', ''),
      set('a', '', { ttlMs: 0 }),
      set('a', '', { ttlMs: 1 }),
      set('a', '', { condition: EXISTS }),
      set('a', '', { condition: version(1) }),
      set('a', big),
      set('a', `${big}x`),
      set('a', `y${big.slice(1)}`),
      set('b', big),
    ].map(single),
  ];
  expect(new Set(commands.map(fingerprintOf)).size).toBe(commands.length);
});

test('equal commands have equal fingerprints, of 32 bits', () => {
  const text = fc.string({ unit: 'binary', maxLength: 40 });
  fc.assert(
    fc.property(text, text, fc.option(fc.nat()), (key, bytes, ttlMs) => {
      const options = ttlMs === null ? {} : { ttlMs };
      const first = fingerprintOf(batch([set(key, bytes, options), get(key)]));
      expect(fingerprintOf(batch([set(key, bytes, options), get(key)]))).toBe(first);
      expect(first).toBe(first >>> 0);
    }),
  );
});

test('a fingerprint never changes: it lies in snapshots', () => {
  expect(
    fingerprintOf(single(set('key', value('value', 'text/plain'), { ttlMs: 1000, condition: version(3) }))),
  ).toBe(3_576_205_803);
  expect(fingerprintOf(batch([remove('a'), increment('b', 2)], { atomic: false }))).toBe(332_267_077);
});

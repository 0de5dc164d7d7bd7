import type { Command, Operation, Outcome } from '../../src/protocol/command.ts';
import { Store } from '../../src/replica/store.ts';
import {
  ABSENT,
  batch,
  check,
  EntrySequence,
  EXISTS,
  entry,
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

/** A store with the head that writes to it. */
function written(...operations: Operation[]) {
  const store = new Store();
  const head = new EntrySequence({ timeMs: 1000 });
  const run = (command: Command, laterMs = 0): Outcome =>
    store.apply(head.next(command, { laterMs })).outcome;
  const write = (operation: Operation, laterMs = 0): Outcome => run(single(operation), laterMs);
  for (const operation of operations) write(operation);
  return { store, run, write };
}

const failedWith = (code: string, present: number) => ({ kind: 'failed', code, version: present });
const refusedWith = (code: string, present: number) =>
  expect.objectContaining({ kind: 'refused', index: 0, failure: failedWith(code, present) });
const gave = (...results: object[]) => expect.objectContaining({ kind: 'done', results });
const keysOf = (store: Store) => [...store.entries('')].map(({ key }) => key);

describe('an empty store', () => {
  test('has applied nothing and holds nothing', () => {
    const store = new Store();
    expect([store.seq, store.epoch, store.timeMs, store.keyCount, store.bytes]).toEqual([0, 0, 0, 0, 0]);
    expect(store.nextExpiryMs()).toBeNull();
    expect(store.get('a')).toBeUndefined();
    expect(store.page({ prefix: '', after: null, limit: 10 })).toEqual({ keys: [], next: null });
  });
});

describe('entries', () => {
  test('move the store to their epoch, seq and log time', () => {
    const store = new Store();
    store.apply(entry(single(set('a', '1')), { epoch: 7, seq: 1, timeMs: 5 }));
    expect([store.epoch, store.seq, store.timeMs]).toEqual([7, 1, 5]);
  });

  test('out of order are a broken promise of our own', () => {
    const store = new Store();
    store.apply(entry(TICK, { seq: 1, timeMs: 5 }));
    expect(() => store.apply(entry(TICK, { seq: 1, timeMs: 5 }))).toThrow('entry 1 was applied after 1');
    expect(() => store.apply(entry(TICK, { seq: 3, timeMs: 5 }))).toThrow('entry 3 was applied after 1');
    expect(() => store.apply(entry(TICK, { seq: 2, timeMs: 4 }))).toThrow('log time 4, before 5');
  });
});

describe('set', () => {
  test('creates a key, then replaces it, each time with the seq of the entry as its version', () => {
    const { store, write } = written();
    expect(write(set('a', value('\u00ff\u0000', 'image/png')))).toEqual({
      kind: 'done',
      seq: 1,
      results: [{ kind: 'set', created: true }],
    });
    expect(write(set('a', 'two'))).toEqual({
      kind: 'done',
      seq: 2,
      results: [{ kind: 'set', created: false }],
    });
    expect(store.get('a')).toEqual({ value: value('two'), version: 2, expiresAtMs: null });
  });

  test.each([
    ['any', 'present', null, true],
    ['any', 'absent', null, true],
    ['exists', 'present', EXISTS, true],
    ['exists', 'absent', EXISTS, false],
    ['absent', 'present', ABSENT, false],
    ['absent', 'absent', ABSENT, true],
    ['its version', 'present', version(1), true],
    ['another version', 'present', version(2), false],
    ['a version', 'absent', version(1), false],
    ['version 0', 'absent', version(0), true],
    ['version 0', 'present', version(0), false],
  ] as const)('on condition "%s" and the key %s', (_name, state, condition, takesEffect) => {
    const { store, write } = written(set(state === 'present' ? 'a' : 'b', 'old'));
    const outcome = write({ ...set('a', 'new'), condition });
    expect(outcome.kind).toBe(takesEffect ? 'done' : 'refused');
    if (!takesEffect)
      expect(outcome).toEqual(refusedWith('PRECONDITION_FAILED', state === 'present' ? 1 : 0));
    expect(store.get('a')?.value.bytes).toBe(takesEffect ? 'new' : state === 'present' ? 'old' : undefined);
  });

  test('without a ttl lifts the expiry that the key had', () => {
    const { store, write } = written(set('a', '1', { ttlMs: 50 }));
    expect(store.nextExpiryMs()).toBe(1050);
    write(set('a', '2'));
    expect(store.get('a')?.expiresAtMs).toBeNull();
    expect(store.nextExpiryMs()).toBeNull();
  });
});

describe('delete', () => {
  test('says whether there was something to delete', () => {
    const { store, write } = written(set('a', '1'));
    expect(write(remove('a'))).toEqual(gave({ kind: 'deleted', deleted: true }));
    expect(write(remove('a'))).toEqual(gave({ kind: 'deleted', deleted: false }));
    expect(store.keyCount).toBe(0);
  });

  test('with a condition that an absent key can not meet is refused', () => {
    const { write } = written();
    expect(write(remove('a', EXISTS))).toEqual(refusedWith('PRECONDITION_FAILED', 0));
    expect(write(remove('a', version(3)))).toEqual(refusedWith('PRECONDITION_FAILED', 0));
  });

  test('takes effect at the version it asks for alone', () => {
    const { store, write } = written(set('a', '1'));
    expect(write(remove('a', version(9)))).toEqual(refusedWith('PRECONDITION_FAILED', 1));
    expect(write(remove('a', version(1)))).toEqual(gave({ kind: 'deleted', deleted: true }));
    expect(store.get('a')).toBeUndefined();
  });
});

describe('increment', () => {
  test('counts an absent key as 0 and writes text', () => {
    const { store, write } = written();
    expect(write(increment('n', -3))).toEqual(gave({ kind: 'incremented', value: -3 }));
    expect(store.get('n')).toEqual({ value: value('-3'), version: 1, expiresAtMs: null });
  });

  test('keeps content type and expiry, and makes a new version', () => {
    const { store, write } = written(set('n', value('41', 'application/json'), { ttlMs: 9 }));
    write(increment('n'), 5);
    expect(store.get('n')).toEqual({ value: value('42', 'application/json'), version: 2, expiresAtMs: 1009 });
  });

  test.each([
    '',
    'x',
    '1.5',
    '1e3',
    '+1',
    '007',
    ' 1',
    '1\n',
    '"1"',
    '--1',
    '9007199254740992',
    '1'.repeat(400),
  ])('refuses what is no integer: %j', (text) => {
    const { store, write } = written(set('n', text));
    expect(write(increment('n'))).toEqual(refusedWith('NOT_AN_INTEGER', 1));
    expect(store.get('n')?.value.bytes).toBe(text);
  });

  test.each([
    ['9007199254740990', 1, 9007199254740991],
    ['-9007199254740990', -1, -9007199254740991],
    ['-9007199254740991', 9007199254740991, 0],
  ])('reaches the ends of the range: %s + %d', (text, by, sum) => {
    const { write } = written(set('n', text));
    expect(write(increment('n', by))).toEqual(gave({ kind: 'incremented', value: sum }));
  });

  test.each([
    ['9007199254740991', 1],
    ['-9007199254740991', -1],
    ['9007199254740991', 9007199254740991],
    ['1', Number.NaN],
  ])('refuses to leave the range: %s + %d', (text, by) => {
    const { store, write } = written(set('n', text));
    expect(write(increment('n', by))).toEqual(refusedWith('OUT_OF_RANGE', 1));
    expect(store.get('n')?.value.bytes).toBe(text);
  });

  test('never gives a negative zero', () => {
    const { store, write } = written(set('n', '-0'));
    expect(write(increment('n', -0))).toEqual(gave({ kind: 'incremented', value: 0 }));
    expect(store.get('n')?.value.bytes).toBe('0');
  });
});

describe('expire', () => {
  test('sets and lifts the expiry, and the version stays', () => {
    const { store, write } = written(set('a', '1'));
    expect(write(expire('a', 20))).toEqual(gave({ kind: 'expiry', version: 1 }));
    expect(store.get('a')).toEqual({ value: value('1'), version: 1, expiresAtMs: 1020 });
    expect(write(expire('a', null))).toEqual(gave({ kind: 'expiry', version: 1 }));
    expect(store.get('a')?.expiresAtMs).toBeNull();
  });

  test('of an absent key is refused', () => {
    expect(written().write(expire('a', 20))).toEqual(refusedWith('KEY_NOT_FOUND', 0));
  });
});

describe('an atomic batch', () => {
  test('happens in order, each operation seeing those before it', () => {
    const { store, run } = written(set('a', '1'));
    const outcome = run(
      batch([increment('a'), get('a'), remove('a'), get('a'), check('a', 0), set('a', 'new')]),
    );
    expect(outcome).toEqual({
      kind: 'done',
      seq: 2,
      results: [
        { kind: 'incremented', value: 2 },
        { kind: 'got', record: { value: value('2'), version: 2, expiresAtMs: null } },
        { kind: 'deleted', deleted: true },
        { kind: 'got', record: null },
        { kind: 'checked' },
        { kind: 'set', created: true },
      ],
    });
    expect(store.get('a')?.version).toBe(2);
  });

  test('that fails anywhere changes nothing, and says where', () => {
    const { store, run } = written(set('a', '1', { ttlMs: 70 }), set('b', '2'));
    const before = [...store.entries('')];
    const outcome = run(
      batch([
        set('a', 'x'),
        remove('b'),
        set('c', '3', { ttlMs: 10 }),
        remove('a'),
        set('a', 'y', { ttlMs: 5 }),
        check('b', 2),
        set('d', '4'),
      ]),
    );
    expect(outcome).toEqual({
      kind: 'refused',
      seq: 3,
      index: 5,
      failure: failedWith('PRECONDITION_FAILED', 0),
    });
    expect([...store.entries('')]).toEqual(before);
    expect(store.nextExpiryMs()).toBe(1070);
    expect(store.bytes).toBe(2 * (1 + 1 + 64));
  });
});

describe('a batch that is not atomic', () => {
  test('leaves failures in their places, and the others take effect', () => {
    const { store, run } = written(set('a', 'text'));
    const outcome = run(
      batch(
        [increment('a'), set('b', '1'), check('b', 7), remove('c', EXISTS), expire('c', 1), increment('b')],
        {
          atomic: false,
        },
      ),
    );
    expect(outcome).toEqual({
      kind: 'done',
      seq: 2,
      results: [
        failedWith('NOT_AN_INTEGER', 1),
        { kind: 'set', created: true },
        failedWith('PRECONDITION_FAILED', 2),
        failedWith('PRECONDITION_FAILED', 0),
        failedWith('KEY_NOT_FOUND', 0),
        { kind: 'incremented', value: 2 },
      ],
    });
    expect(store.get('b')?.value.bytes).toBe('2');
  });
});

describe('a batch of reads', () => {
  test('reads the store as it is, at the seq it has', () => {
    const { store } = written(set('a', '1'), set('b', '2'));
    expect(store.readBatch([get('b'), check('a', 1), get('c')], { atomic: true })).toEqual({
      kind: 'done',
      seq: 2,
      results: [{ kind: 'got', record: store.get('b') }, { kind: 'checked' }, { kind: 'got', record: null }],
    });
    expect(store.seq).toBe(2);
  });

  test('fails as a batch of writes would', () => {
    const { store } = written(set('a', '1'));
    const operations = [get('a'), check('a', 9)];
    const failure = failedWith('PRECONDITION_FAILED', 1);
    expect(store.readBatch(operations, { atomic: true })).toEqual({
      kind: 'refused',
      seq: 1,
      index: 1,
      failure,
    });
    expect(store.readBatch(operations, { atomic: false })).toEqual(
      gave({ kind: 'got', record: store.get('a') }, failure),
    );
  });

  test('with a write in it is a broken promise of our own', () => {
    const { store } = written();
    expect(() => store.readBatch([set('a', '1')], { atomic: true })).toThrow('a write outside the log');
  });
});

describe('pages', () => {
  const NAMES = ['a', 'a/1', 'a/2', 'a/3', 'b', '\u00e9', '\uffff', '\u{10000}'];
  const paged = () => written(...[...NAMES].reverse().map((name) => set(name, name))).store;

  test('come in the order of the UTF-8 bytes of the keys', () => {
    const { keys, next } = paged().page({ prefix: '', after: null, limit: 100 });
    expect(keys.map(({ key }) => key)).toEqual(NAMES);
    expect(next).toBeNull();
  });

  test('hold the keys of a prefix alone, with their records', () => {
    const store = paged();
    const page = store.page({ prefix: 'a/', after: null, limit: 100 });
    expect(page.keys).toEqual(['a/1', 'a/2', 'a/3'].map((key) => ({ key, record: store.get(key) })));
  });

  test('follow each other without gaps, and the last says that it is', () => {
    const store = paged();
    const pages: string[][] = [];
    for (let after: string | null = null, more = true; more; more = after !== null) {
      const page = store.page({ prefix: '', after, limit: 4 });
      pages.push(page.keys.map(({ key }) => key));
      after = page.next;
    }
    expect(pages).toEqual([NAMES.slice(0, 4), NAMES.slice(4)]);
  });

  test.each([
    ['a key that is gone', 'a/', 'a/15', ['a/2', 'a/3']],
    ['a key before the prefix', 'a/', 'A', ['a/1', 'a/2', 'a/3']],
    ['a key behind the prefix', 'a/', 'b', []],
    ['the last key', '', '\u{10000}', []],
  ])('go on behind %s', (_name, prefix, after, expected) => {
    expect(
      paged()
        .page({ prefix, after, limit: 9 })
        .keys.map(({ key }) => key),
    ).toEqual(expected);
  });
});

describe('bytes', () => {
  test('count the key in UTF-8, the value, its content type and 64 per key', () => {
    const { store, write } = written(set('\u00e9', value('12345', 'text/plain')));
    expect(store.bytes).toBe(2 + 5 + 10 + 64);
    write(set('\u00e9', '1'));
    expect(store.bytes).toBe(2 + 1 + 64);
    write(remove('\u00e9'));
    expect(store.bytes).toBe(0);
  });
});

describe('a view of the entries', () => {
  test('shows one instant, whatever is written while they are read', () => {
    const { store, write } = written(set('a', '1'), set('b', '2'), set('c', '3'));
    const seen: string[] = [];
    for (const { key, record } of store.entries('')) {
      seen.push(`${key}=${record.value.bytes}`);
      write(set('b', 'changed'));
      write(remove('c'));
      write(set('d', 'new'));
    }
    expect(seen).toEqual(['a=1', 'b=2', 'c=3']);
    expect(keysOf(store)).toEqual(['a', 'b', 'd']);
  });

  test('is of the instant it was asked for, not of the first read, and can be read again', () => {
    const { store, write } = written(set('p/a', '1'), set('q', '2'));
    const entries = store.entries('p/');
    write(set('p/b', '3'));
    expect([...entries].map(({ key }) => key)).toEqual(['p/a']);
    expect([...entries].map(({ key }) => key)).toEqual(['p/a']);
  });
});

describe('restoring', () => {
  test('a snapshot gives an equal store', () => {
    const { store } = written(
      set('a', '1', { ttlMs: 5 }),
      set('\u{10000}', '2'),
      set('\uffff', '3'),
      increment('n'),
    );
    const copy = new Store();
    const { header, rows } = store.snapshot();
    expect(header).toEqual({ epoch: 1, seq: 4, timeMs: 1000, keys: 4, requests: 0 });
    copy.restore(header);
    for (const row of rows()) copy.restoreRow(row);
    copy.restored();
    expect(copy.digest()).toBe(store.digest());
    expect(copy.bytes).toBe(store.bytes);
    expect(copy.nextExpiryMs()).toBe(1005);
    expect([...copy.entries('')]).toEqual([...store.entries('')]);
  });

  test('half a snapshot is a broken promise of our own', () => {
    const { header } = written(set('a', '1')).store.snapshot();
    const copy = new Store();
    copy.restore(header);
    expect(() => copy.restored()).toThrow('a snapshot of 1 keys and 0 requests gave 0 and 0');
    expect(() => copy.apply(entry(TICK, { seq: 2, timeMs: 1000 }))).toThrow('a snapshot of 1 keys');
  });

  test('into a store in use, or rows of nothing, are broken promises too', () => {
    const { store } = written(set('a', '1'));
    const { header, rows } = store.snapshot();
    expect(() => store.restore(header)).toThrow('into a store in use');
    expect(() => new Store().restoreRow([...rows()][0] as never)).toThrow('a row of no snapshot');
  });
});

describe('the digest', () => {
  const base = set('a', value('1', 'text/plain'), { ttlMs: 10 });
  test.each<[string, Operation]>([
    ['key', set('b', base.value, { ttlMs: 10 })],
    ['value', set('a', value('2', 'text/plain'), { ttlMs: 10 })],
    ['content type', set('a', value('1', 'text/html'), { ttlMs: 10 })],
    ['expiry', set('a', base.value, { ttlMs: 11 })],
    ['kind of expiry, namely none', set('a', base.value)],
  ])('differs with another %s', (_name, operation) => {
    expect(written(operation).store.digest()).not.toBe(written(base).store.digest());
    expect(written(base).store.digest()).toBe(written(base).store.digest());
  });

  test('differs with another version, seq, epoch or log time', () => {
    const digestOf = (...entries: Parameters<typeof entry>[]) => {
      const store = new Store();
      for (const [command, fields] of entries) store.apply(entry(command, fields));
      return store.digest();
    };
    const digests = [
      digestOf([single(base), {}]),
      digestOf([single(base), { epoch: 2 }]),
      digestOf([single(base), {}], [TICK, { seq: 2 }]),
      digestOf([TICK, {}], [single(base), { seq: 2 }]),
      digestOf([single(base), {}], [TICK, { seq: 2, timeMs: 1 }]),
    ];
    expect(new Set(digests).size).toBe(digests.length);
  });
});

test('more content types than are shared are all kept, each with its key', () => {
  const { store } = written(
    ...Array.from({ length: 1500 }, (_, at) => set(`k${at}`, value('x', `type/${at}`))),
  );
  for (const at of [0, 1023, 1024, 1499]) {
    expect(store.get(`k${at}`)?.value.contentType).toBe(`type/${at}`);
  }
});

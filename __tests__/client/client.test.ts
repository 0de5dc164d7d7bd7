/** The client against a chain of real processes. */
import { join } from 'node:path';
import { connect as connectInBrowser } from '../../src/client/browser.ts';
import { PreconditionFailed } from '../../src/client/errors.ts';
import { connect } from '../../src/client/node.ts';
import type { Catena, Value } from '../../src/client/types.ts';
import { Program } from '../support/catena-process.ts';
import { Cluster } from '../support/cluster.ts';
import { PROJECT } from '../support/source-files.ts';

let cluster: Cluster;
let db: Catena;

beforeAll(async () => {
  cluster = await Cluster.make();
  cluster.startAll();
  await cluster.ready();
}, 60_000);

afterAll(async () => {
  await cluster.remove();
});

beforeEach(() => {
  db = connect(cluster.url('n2'));
});

afterEach(async () => {
  await db.close();
});

const VALUES: readonly (readonly [string, Value])[] = [
  ['text', 'plain text'],
  ['the empty text', ''],
  ['text that looks like JSON', '{"a":1}'],
  ['text in many scripts, with NUL and a line end', 'aä€😀\u0000\r\n\u2028"\\'],
  ['bytes', new Uint8Array([0, 1, 2, 127, 128, 254, 255])],
  ['no bytes', new Uint8Array(0)],
  ['bytes that are text', new TextEncoder().encode('text')],
  ['a number', -1.5],
  ['an integer', 42],
  ['true', true],
  ['null', null],
  ['an array', [1, 'two', [], null]],
  ['an object', { a: { b: ['ä', '\ud800'] }, '': 0 }],
  ['a large text', 'ä'.repeat(100_000)],
  ['large bytes', new Uint8Array(300_000).fill(7)],
  ['large JSON', Array.from({ length: 20_000 }, (_, i) => i)],
];

test.each(VALUES)(
  '%s is read back as what was written, alone, among others and as an item',
  async (name, value) => {
    const key = `value of ${name}`;
    const { version, created } = await db.set(key, value);
    expect(created).toBe(true);
    expectSame(await db.get(key), value);
    const [absent, there] = await db.getMany(['absent', key]);
    expect(absent).toBeUndefined();
    expectSame(there, value);
    const item = await db.getItem(key);
    expectSame(item?.value, value);
    expect({ ...item, value: null }).toMatchObject({ key, version, expiresIn: null });
  },
);

test('what a browser has reads and writes the same', async () => {
  await using page = connectInBrowser(cluster.url('n2'));
  for (const [name, value] of VALUES) {
    await page.set(`browser ${name}`, value);
    expectSame(await page.get(`browser ${name}`), value);
  }
  expect(await page.set('browser there', 1)).toMatchObject({ created: true });
  expect(await page.set('browser there', 2, { ifPresent: true })).toMatchObject({ created: false });
});

test('keys of any characters name what they say', async () => {
  const keys = [
    'a/b',
    '..',
    '.',
    '/',
    '%',
    '%2F',
    'a b+c',
    '?x=1',
    '#',
    '\\',
    'ä😀',
    '\u0000',
    'constructor',
    '__proto__',
  ];
  await Promise.all(keys.map((key, at) => db.set(key, at)));
  expect(await db.getMany(keys)).toEqual(keys.map((_, at) => at));
  for (const [at, key] of keys.entries()) {
    await db.set(key, at + 100, { ifPresent: true });
    expect(await db.get(key)).toBe(at + 100);
  }
});

test('conditions hold, and say the version that is there', async () => {
  const first = await db.set('condition', 'a', { ifAbsent: true });
  await expect(db.set('condition', 'b', { ifAbsent: true })).rejects.toMatchObject({
    name: 'PreconditionFailed',
    code: 'PRECONDITION_FAILED',
    version: first.version,
    status: 412,
  });
  const second = await db.set('condition', 'b', { ifVersion: first.version });
  await expect(db.set('condition', 'c', { ifVersion: first.version })).rejects.toBeInstanceOf(
    PreconditionFailed,
  );
  await expect(db.set('not there', 'c', { ifPresent: true })).rejects.toMatchObject({ version: 0 });
  await expect(db.delete('condition', { ifVersion: first.version })).rejects.toBeInstanceOf(
    PreconditionFailed,
  );
  expect(await db.checkAndSet('condition', first.version, 'c')).toEqual({
    swapped: false,
    version: second.version,
  });
  const third = await db.checkAndSet('condition', second.version, 'c');
  expect(third.swapped).toBe(true);
  expect(await db.getItem('condition')).toMatchObject({ value: 'c', version: third.version });
});

test('deletes, increments and expiry say what they did', async () => {
  expect(await db.delete('gone')).toBe(false);
  expect(await db.increment('count')).toBe(1);
  expect(await db.increment('count', -3)).toBe(-2);
  expect(await db.delete('count')).toBe(true);
  await db.set('word', 'one');
  await expect(db.increment('word')).rejects.toMatchObject({ name: 'NotAnInteger', code: 'NOT_AN_INTEGER' });
  await db.set('most', Number.MAX_SAFE_INTEGER);
  await expect(db.increment('most')).rejects.toMatchObject({ name: 'OutOfRange', code: 'OUT_OF_RANGE' });
  expect(await db.expire('gone', 5)).toBe(false);
  expect(await db.expire('word', 100)).toBe(true);
  expect((await db.getItem('word'))?.expiresIn).toBeGreaterThan(90);
  expect(await db.expire('word', null)).toBe(true);
  expect((await db.getItem('word'))?.expiresIn).toBeNull();
  await db.set('short', 'x', { ttl: 50 });
  expect((await db.getItem('short'))?.expiresIn).toBeLessThanOrEqual(50);
});

test('setMany sets all of them at one version', async () => {
  const version = await db.setMany({ 'many a': 1, 'many b': 'two', 'many c': new Uint8Array([3]) });
  expect(await db.getMany(['many a', 'many b', 'many c'])).toEqual([1, 'two', new Uint8Array([3])]);
  expect((await db.getItem('many c'))?.version).toBe(version);
  await db.setMany(new Map([['many a', 'again']]), { ttl: 100 });
  expect(await db.getItem('many a')).toMatchObject({ value: 'again', expiresIn: expect.any(Number) });
  expect(await db.setMany([])).toBe(0);
});

test('1,000 concurrent sets are a handful of requests, and each has its own result', async () => {
  await db.set('warm text', 'x');
  const before = await batchesAnswered('n1');
  const keys = Array.from({ length: 1000 }, (_, i) => `concurrent ${i}`);
  const results = await Promise.allSettled(
    keys.map((key, i) => (i % 100 === 99 ? db.increment('warm text') : db.set(key, i))),
  );
  const requests = (await batchesAnswered('n1')) - before;
  expect(requests).toBeGreaterThan(0);
  expect(requests).toBeLessThanOrEqual(5);
  expect(results.map(({ status }) => status)).toEqual(
    keys.map((_, i) => (i % 100 === 99 ? 'rejected' : 'fulfilled')),
  );
  const reads = await Promise.all(keys.map((key) => db.get(key)));
  expect(reads).toEqual(keys.map((_, i) => (i % 100 === 99 ? undefined : i)));
});

test('many large values are read at once', async () => {
  const keys = Array.from({ length: 200 }, (_, i) => `large ${i}`);
  await Promise.all(keys.map((key, i) => db.set(key, String(i).repeat(100_000))));
  await using fresh = connect(cluster.url('n1'));
  const lengths = await Promise.all(keys.map(async (key) => String(await fresh.get(key)).length));
  expect(lengths).toEqual(keys.map((_, i) => String(i).length * 100_000));
}, 30_000);

test('a call that fails among others fails alone', async () => {
  await db.set('is text', 'x');
  const tooLong = 'k'.repeat(5000);
  const [good, text, long, large, alsoGood] = await Promise.allSettled([
    db.set('good', 1),
    db.increment('is text'),
    db.set(tooLong, 1),
    db.set('large', 'x'.repeat(2_000_000)),
    db.set('also good', 1),
  ]);
  expect(good).toMatchObject({ status: 'fulfilled' });
  expect(text).toMatchObject({ reason: { name: 'NotAnInteger' } });
  expect(long).toMatchObject({ reason: { name: 'InvalidRequest', code: 'KEY_TOO_LONG', status: 414 } });
  expect(large).toMatchObject({ reason: { name: 'InvalidRequest', code: 'VALUE_TOO_LARGE', status: 413 } });
  expect(alsoGood).toMatchObject({ status: 'fulfilled' });
});

test('a program that forgets to close its client ends all the same', async () => {
  const text = `
    import { connect } from '${join(PROJECT, 'src/client/node.ts')}';
    const db = connect('${cluster.url('n1')}');
    await db.set('forgotten', 'yes');
    console.log(await db.get('forgotten'));`;
  const program = new Program(['--input-type=module', '-e', text]);
  expect(await program.ends()).toMatchObject({ code: 0, stdout: 'yes\n', stderr: '' });
});

/** Bytes as a whole: jest looks at each of them. */
function expectSame(read: Value | undefined, written: Value): void {
  if (written instanceof Uint8Array) {
    expect(read).toBeInstanceOf(Uint8Array);
    expect(Buffer.compare(read as Uint8Array, written)).toBe(0);
  } else expect(read).toEqual(written);
}

async function batchesAnswered(node: string): Promise<number> {
  const text = await (await fetch(`${cluster.url(node)}/metrics`)).text();
  const lines = text.split('\n').filter((line) => /^catena_http_requests_total\{route="\/batch"/.test(line));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

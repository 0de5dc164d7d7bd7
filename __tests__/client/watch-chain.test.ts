/** The parts of the client that go over many requests, on a chain of real processes that come and go. */
import { connect } from '../../src/client/node.ts';
import type { Catena, Change, Item } from '../../src/client/types.ts';
import { Cluster, until } from '../support/cluster.ts';

let cluster: Cluster;
let db: Catena;

beforeAll(async () => {
  cluster = await Cluster.make();
  cluster.startAll();
  await cluster.whole(3);
  db = connect(cluster.url('n1'));
}, 60_000);

afterAll(async () => {
  await db?.close();
  await cluster?.remove();
});

/** Where the chain is: what is committed from now on is behind it. */
async function now(): Promise<number> {
  const { nodes } = await db.status();
  return Math.max(...Object.values(nodes).map((node) => node?.committed ?? 0));
}

const watchers: Watcher[] = [];

afterEach(() => Promise.all(watchers.splice(0).map((watcher) => watcher.stop())));

/** Takes changes, in the background, until it is stopped. */
class Watcher {
  readonly seen: Change[] = [];
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #failed: unknown = null;

  constructor(options: { readonly prefix?: string; readonly since: number }) {
    watchers.push(this);
    this.#done = this.#take(options).catch((error: unknown) => {
      this.#failed = error;
    });
  }

  async #take(options: { readonly prefix?: string; readonly since: number }): Promise<void> {
    for await (const change of db.watch({ ...options, signal: this.#stop.signal })) this.seen.push(change);
  }

  async sees(count: number): Promise<void> {
    const seesThem = (): boolean => {
      if (this.#failed !== null) throw this.#failed;
      return this.seen.length >= count;
    };
    await until(seesThem, `${count} changes`, () => `${this.seen.length} came`);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}

test('a watch brings each change of every kind, with its value', async () => {
  const watcher = new Watcher({ prefix: 'kinds/', since: await now() });
  await db.set('other', 'x');
  await db.set('kinds/text', 'ü');
  await db.set('kinds/json', { a: [1, null] });
  await db.set('kinds/\0bytes', new Uint8Array([0, 255]), { contentType: 'image/png' });
  await db.increment('kinds/count', 2);
  await db.delete('kinds/text');
  await db.set('kinds/brief', 'x', { ttl: 0.05 });
  await watcher.sees(7);
  await watcher.stop();
  expect(watcher.seen.map(({ version, ...change }) => change)).toEqual([
    { kind: 'set', key: 'kinds/text', value: 'ü', contentType: '' },
    { kind: 'set', key: 'kinds/json', value: { a: [1, null] }, contentType: 'application/json' },
    { kind: 'set', key: 'kinds/\0bytes', value: new Uint8Array([0, 255]), contentType: 'image/png' },
    { kind: 'set', key: 'kinds/count', value: '2', contentType: '' },
    { kind: 'delete', key: 'kinds/text' },
    { kind: 'set', key: 'kinds/brief', value: 'x', contentType: '' },
    { kind: 'expire', key: 'kinds/brief' },
  ]);
});

test('a watch from now on brings what is written after it has begun', async () => {
  const watch = db.watch({ prefix: 'later/' });
  const first = watch.next();
  // It has begun somewhere as soon as it brings something.
  let wrote = 0;
  const seen = first.then(({ value }) => value as Change);
  let came: Change | null = null;
  seen.then(
    (change) => (came = change),
    () => {},
  );
  await until(async () => {
    if (came === null) await db.set('later/a', String(++wrote));
    return came !== null;
  }, 'a change');
  expect(await seen).toMatchObject({ kind: 'set', key: 'later/a' });
  await watch.return?.();
});

test('whichever member dies, and whoever comes back, a watch brings each change once and in order', async () => {
  const watcher = new Watcher({ prefix: 'failover/', since: await now() });
  const versions: [string, number][] = [];
  let over = false;
  const writing = (async () => {
    for (let at = 0; !over; at++) {
      const one = `failover/${at}`;
      versions.push([one, (await db.set(one, String(at))).version]);
      const pair = [`failover/${at}a`, `failover/${at}b`] as const;
      const version = await db.setMany(pair.map((key) => [key, 'x'] as const));
      for (const key of pair) versions.push([key, version]);
    }
  })();
  try {
    for (let at = 0; at < 3; at++) {
      const [head = ''] = await cluster.whole(3);
      await watcher.sees(watcher.seen.length + 20);
      await cluster.end(head, 'SIGKILL');
      await watcher.sees(watcher.seen.length + 20);
      cluster.start(head);
    }
    await cluster.whole(3);
  } finally {
    over = true;
    await writing;
  }
  await watcher.sees(versions.length);
  await watcher.stop();
  expect(watcher.seen.map(({ key, version }) => [key, version])).toEqual(versions);
}, 120_000);

test('a client that is closed ends its watches, and says why', async () => {
  const other = connect(cluster.url('n1'));
  const watch = other.watch({ prefix: 'closed/', since: await now() });
  const first = watch.next();
  await db.set('closed/a', 'x');
  await first;
  const second = expect(watch.next()).rejects.toMatchObject({ code: 'CLOSED' });
  await other.close();
  await second;
});

test('items come page by page with what was written, and a key may be anything', async () => {
  const keys = ['pages/a/b', 'pages/a\0', 'pages/%2F', 'pages/ü', 'pages/🙂', 'pages/\uFFFD', 'pages/?&#+ '];
  await db.setMany(keys.map((key) => [key, { of: key }] as const));
  const items: Item[] = [];
  for await (const item of db.items({ prefix: 'pages/', pageSize: 2 })) items.push(item);
  expect(new Map(items.map(({ key, value }) => [key, value]))).toEqual(
    new Map(keys.map((key) => [key, { of: key }])),
  );
  const found: string[] = [];
  for await (const key of db.keys({ prefix: 'pages/', pageSize: 3 })) found.push(key);
  expect(found).toEqual(items.map(({ key }) => key));
});

test('a batch takes effect as a whole, or not at all and says where it failed', async () => {
  const { version } = await db.set('batch/a', 'x');
  const results = await db
    .batch()
    .check('batch/a', version)
    .set('batch/b', { y: 1 })
    .get('batch/b')
    .increment('batch/c', 3)
    .expire('batch/b', 100)
    .delete('batch/a')
    .commit();
  expect(results).toEqual([
    undefined,
    { version: expect.any(Number), created: true },
    { y: 1 },
    3,
    undefined,
    true,
  ]);
  const stale = db.batch().set('batch/c', 'lost').check('batch/a', version).commit();
  await expect(stale).rejects.toMatchObject({ name: 'PreconditionFailed', index: 1, version: 0 });
  const text = db.batch().delete('batch/c').increment('batch/b').commit();
  await expect(text).rejects.toMatchObject({ name: 'NotAnInteger', index: 1 });
  const absent = db.batch().increment('batch/c').expire('batch/none', 1).commit();
  await expect(absent).rejects.toMatchObject({ code: 'KEY_NOT_FOUND', index: 1 });
  expect(await db.batch().get('batch/c').check('batch/a', 0).commit()).toEqual(['3', undefined]);
});

test('status tells of the chain and of each node, also of one that is down', async () => {
  const members = await cluster.whole(3);
  const status = await db.status();
  expect(status).toMatchObject({ members, joiner: null });
  expect(Object.keys(status.nodes).sort()).toEqual(['n1', 'n2', 'n3']);
  expect(status.nodes[members[0] ?? '']).toMatchObject({ role: 'head', epoch: status.epoch });
  expect(status.nodes[members[2] ?? '']).toMatchObject({ role: 'tail', epoch: status.epoch });
  const [head = ''] = members;
  await cluster.end(head, 'SIGKILL');
  await cluster.whole(2);
  const after = await db.status();
  expect(after.members).toEqual(members.slice(1));
  expect(after.nodes[head]).toBeNull();
}, 60_000);

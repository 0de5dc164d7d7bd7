import { spawn } from 'node:child_process';
import { Cluster, until } from '../support/cluster.ts';
import { curl } from '../support/curl.ts';
import { type EventReader, openWatch } from '../support/event-reader.ts';

const LIMIT_MS = 120_000;
/** More than a node holds of changes, and than systems take into their buffers. */
const FLOOD_VALUES = 110;
const FLOOD_VALUE_BYTES = 1_048_576;

let cluster: Cluster;
const readers: EventReader[] = [];

beforeEach(async () => {
  cluster = await Cluster.make();
  cluster.startAll();
  await cluster.ready();
}, 60_000);
afterEach(async () => {
  for (const reader of readers.splice(0)) reader.close();
  await cluster.remove();
});

async function watch(node: string, query = '', headers: Record<string, string> = {}): Promise<EventReader> {
  const reader = await openWatch(`${cluster.url(node)}/watch${query}`, headers);
  readers.push(reader);
  await reader.until(({ blocks }) => blocks.length > 0, 'the first words');
  return reader;
}

async function write(method: string, path: string, body = ''): Promise<void> {
  const answer = await fetch(`${cluster.url('n1')}${path}`, {
    method,
    body: method === 'POST' ? null : body,
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
}

const versionsOf = ({ events }: EventReader) =>
  events.map(({ data }) => (data as { version: number }).version);
const valuesOf = ({ events }: EventReader) => events.map(({ data }) => (data as { value: string }).value);

test(
  'curl shows what is committed, in order, as it happens, at any member',
  async () => {
    const children = cluster.nodes.map((node) => {
      const child = spawn('curl', ['-sSN', '--max-time', '60', `${cluster.url(node)}/watch?prefix=greeting`]);
      const shown = { text: '' };
      child.stdout.on('data', (bytes: Buffer) => {
        shown.text += bytes.toString();
      });
      return { child, shown };
    });
    try {
      await until(() => children.every(({ shown }) => shown.text.includes('\n\n')), 'the first words');
      await write('PUT', '/set/greeting', 'hello');
      await write('PUT', '/set/other', 'not shown');
      await write('PUT', '/set/greeting/short?ttl=0.2', 'soon gone');
      await write('DELETE', '/delete/greeting');
      await until(
        () => children.every(({ shown }) => (shown.text.match(/^event: /gm) ?? []).length === 4),
        'four events',
        () => children.map(({ shown }) => shown.text).join('---\n'),
      );
      for (const { shown } of children) {
        expect(shown.text.match(/^event: .*$/gm)?.slice(0, 2)).toEqual(['event: set', 'event: set']);
        expect(shown.text).toMatch(
          /^event: set\nid: (\d+)\ndata: {"key":"greeting","version":\1,"value":"hello","encoding":"utf8","contentType":"text\/plain;charset=UTF-8"}$/m,
        );
        expect(shown.text).toMatch(/^event: delete\nid: (\d+)\ndata: {"key":"greeting","version":\1}$/m);
        expect(shown.text).toMatch(
          /^event: expire\nid: (\d+)\ndata: {"key":"greeting\/short","version":\1}$/m,
        );
        expect(shown.text).not.toContain('not shown');
      }
      const { headers } = await curl('-I', `${cluster.url('n2')}/watch`);
      expect(headers).toMatch(/^HTTP\/1.1 405/);
    } finally {
      for (const { child } of children) child.kill('SIGKILL');
    }
  },
  LIMIT_MS,
);

test(
  'after kill -9 of the member that served it, a watch resumed at another one misses nothing and gets nothing twice',
  async () => {
    let writing = true;
    let written = 0;
    const client = (async () => {
      for (; writing; written++) {
        const answer = await curl(
          ...[
            '-L',
            '--retry',
            '9',
            '--retry-connrefused',
            '-X',
            'POST',
            '-H',
            `Idempotency-Key: add-${written}`,
          ],
          `${cluster.url('n1')}/increment/counter`,
        );
        if (answer.status !== 200) throw new Error(`an increment failed: ${answer.status} ${answer.body}`);
      }
    })();
    const first = await watch('n2', '?since=0&prefix=counter');
    await first.until(({ events }) => events.length >= 20, '20 increments');
    await cluster.end('n2', 'SIGKILL');
    await first.until(({ end }) => end !== null, 'the end');
    expect(first.end).toBe('broken');
    const second = await watch('n3', '?since=0&prefix=counter', { 'Last-Event-ID': first.lastId ?? '' });
    await second.until(({ events }) => events.length >= 20, '20 more increments');
    writing = false;
    await client;
    const expected = Array.from({ length: written }, (_, at) => String(at + 1));
    await second.until(({ events }) => first.events.length + events.length >= written, 'all increments');
    expect([...valuesOf(first), ...valuesOf(second)]).toEqual(expected);
    const versions = [...versionsOf(first), ...versionsOf(second)];
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
    // The one that was killed, and comes back, has the whole story in its log.
    cluster.start('n2');
    await cluster.whole(3);
    const third = await watch('n2', '?prefix=counter', { 'Last-Event-ID': first.lastId ?? '' });
    await third.until(({ events }) => events.length >= second.events.length, 'what the second was shown');
    expect(third.events).toEqual(second.events);
  },
  LIMIT_MS,
);

test(
  'a node that stops, or leaves the chain, ends its watches whole and without delay',
  async () => {
    await write('PUT', '/set/k', 'v');
    const ofStopped = await watch('n1', '?since=0');
    const ofRemoved = await watch('n3', '?since=0');
    await Promise.all(
      [ofStopped, ofRemoved].map((reader) => reader.until(({ events }) => events.length === 1)),
    );
    await cluster.edit((topology) => {
      topology.chain = topology.chain.filter((node) => node !== 'n3');
      topology.replicas = 2;
    });
    await ofRemoved.until(({ end }) => end !== null, 'the end of the one at n3');
    expect(ofRemoved.end).toBe('whole');
    const elsewhere = await curl(`${cluster.url('n3')}/watch`);
    expect(elsewhere.status).toBe(307);
    expect(ofStopped.end).toBeNull();
    expect(await cluster.end('n1', 'SIGTERM')).toMatchObject({ code: 0 });
    expect(ofStopped.end).toBe('whole');
  },
  LIMIT_MS,
);

test(
  'a thousand watch one member, each gets every change, one more is told to go elsewhere, and others are served',
  async () => {
    const all = await Promise.all(
      Array.from({ length: 1000 }, (_, at) => watch('n2', at % 2 ? '' : '?prefix=k')),
    );
    const refused = await curl(`${cluster.url('n2')}/watch`);
    expect([refused.status, JSON.parse(refused.body).type]).toEqual([503, 'urn:catena:problem:overloaded']);
    expect(await cluster.status('n2')).toMatchObject({ watchers: 1000, oldestChange: 0 });
    const written = 50;
    for (let i = 0; i < written; i++) await write('PUT', `/set/k${i}`, `${i}`);
    const expected = Array.from({ length: written }, (_, at) => `${at}`);
    for (const reader of all) {
      await reader.until(({ events }) => events.length === written, 'every change');
      expect(valuesOf(reader)).toEqual(expected);
    }
    const elsewhere = await watch('n3');
    expect(elsewhere.lastId).toBe(String(written));
    const { body } = await curl(`${cluster.url('n2')}/metrics`);
    expect(body).toMatch(/^catena_watchers 1000$/m);
    expect(body).toMatch(/^catena_watch_cut_total 0$/m);
  },
  LIMIT_MS,
);

test(
  'a reader that reads nothing while more is written than is held is told so and cut off, and the others go on',
  async () => {
    const good = await watch('n2');
    const slow = await watch('n2');
    slow.answer.pause();
    const value = 'v'.repeat(FLOOD_VALUE_BYTES);
    for (let i = 1; i <= FLOOD_VALUES; i++) await write('PUT', `/set/k${i % 4}`, value);
    await good.until(({ events }) => events.length === FLOOD_VALUES, 'the whole flood');
    expect(versionsOf(good)).toEqual(Array.from({ length: FLOOD_VALUES }, (_, at) => at + 1));
    slow.answer.resume();
    await slow.until(({ end }) => end !== null, 'the end of the slow one');
    expect(slow.end).toBe('whole');
    expect(slow.blocks.at(-1)).toMatchObject({
      event: 'error',
      data: { type: 'urn:catena:problem:gone', status: 410 },
    });
    const shown = versionsOf(slow).slice(0, -1);
    expect(shown).toEqual(shown.map((_, at) => at + 1));
    await write('PUT', '/set/after', 'still there');
    await good.until(({ told }) => told.at(-1)?.endsWith('=still there') === true, 'what came after');
    const gone = await curl('-H', `Last-Event-ID: ${slow.lastId}`, `${cluster.url('n3')}/watch`);
    expect([gone.status, JSON.parse(gone.body).type]).toEqual([410, 'urn:catena:problem:gone']);
    expect(await cluster.status('n2')).toMatchObject({ watchers: 1 });
    expect((await curl(`${cluster.url('n2')}/metrics`)).body).toMatch(/^catena_watch_cut_total 1$/m);
  },
  LIMIT_MS,
);

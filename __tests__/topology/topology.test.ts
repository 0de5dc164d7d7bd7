import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describeProblem, parseTopology } from '../../src/topology/topology.ts';

type Raw = Record<string, unknown>;

/** The smallest file, with `edit` made to it. */
function file(edit: (raw: Raw) => void = () => {}): string {
  const raw: Raw = {
    name: 't',
    replicas: 2,
    chain: ['n1', 'n2'],
    nodes: {
      n1: { urls: ['http://localhost:4466'], peer: 'localhost:5466' },
      n2: { urls: ['http://localhost:4467'], peer: 'localhost:5467' },
    },
    coordinators: { c1: { urls: ['http://localhost:4460'], peer: 'localhost:5460' } },
  };
  edit(raw);
  return JSON.stringify(raw, null, 2);
}

function problems(text: string): string[] {
  const parsed = parseTopology(text, 't.json');
  return parsed.kind === 'ok' ? [] : parsed.problems.map(describeProblem);
}

function parsed(text: string) {
  const result = parseTopology(text, 't.json');
  if (result.kind === 'bad') throw new Error(result.problems.map(describeProblem).join('\n'));
  return result;
}

const nodes = (raw: Raw) => raw.nodes as Record<string, Raw>;

describe('a sound file', () => {
  test('gets every default that it leaves out', () => {
    expect(parsed(file()).topology).toMatchObject({
      reads: 'tail',
      durability: 'sync',
      origins: [],
      timing: { heartbeatMs: 50, suspectAfterMs: 500, leaseMs: 200, stallAfterMs: 5000 },
      limits: {
        keyBytes: 1024,
        valueBytes: 1_048_576,
        batchBytes: 4_194_304,
        inFlightBytes: 67_108_864,
        storeBytes: 2_147_483_648,
      },
    });
  });

  test('keeps what it says, and the defaults of what it leaves out beside it', () => {
    const { topology } = parsed(
      file((raw) => {
        raw.timing = { leaseMs: 300 };
        raw.reads = 'any';
        raw.durability = 'memory';
        raw.origins = ['https://example.org'];
      }),
    );
    expect(topology.timing).toEqual({
      heartbeatMs: 50,
      suspectAfterMs: 500,
      leaseMs: 300,
      stallAfterMs: 5000,
    });
    expect(topology).toMatchObject({ reads: 'any', durability: 'memory', origins: ['https://example.org'] });
  });

  test('may have one node alone, spares outside the chain, and lists of URLs of different lengths', () => {
    const text = file((raw) => {
      raw.replicas = 1;
      raw.chain = ['n1'];
      nodes(raw).n1 = { urls: ['http://n1', 'http://localhost:4466'], peer: 'n1:5466' };
    });
    expect(problems(text)).toEqual([]);
  });

  test('may begin with a byte order mark', () => {
    expect(problems(`\uFEFF${file()}`)).toEqual([]);
  });

  test('has the digest of what it says, not of how it is laid out', () => {
    const { digest } = parsed(file());
    expect(parsed(JSON.stringify(JSON.parse(file()))).digest).toBe(digest);
    expect(parsed(file((raw) => Object.assign(raw, { $schema: './s.json', name: raw.name }))).digest).toBe(
      digest,
    );
    expect(parsed(file((raw) => Object.assign(raw, { reads: 'any' }))).digest).not.toBe(digest);
    expect(parsed(file((raw) => Object.assign(raw, { chain: ['n2', 'n1'] }))).digest).not.toBe(digest);
  });
});

describe('what is no plain JSON is located', () => {
  test.each([
    ['nothing', '', 't.json:1:1: expected a topology, found an empty file'],
    ['an open object', '{', 't.json:1:2: expected "}"'],
    ['a comment', '{\n  // here\n}', 't.json:2:3: expected no comment'],
    ['a comma at the end', '{\n  "name": "t",\n}', 't.json:3:1: expected a property name'],
    ['a missing comma', '{ "a": 1\n  "b": 2 }', 't.json:2:3: expected ","'],
    ['a missing colon', '{ "a" 1 }', 't.json:1:7: expected ":"'],
    ['single quotes', "{ 'a': 1 }", 't.json:1:3: expected a JSON value'],
    ['an open text', '{ "a": "b\n}', 't.json:1:8: expected a closing double quote'],
    ['two documents', '{} {}', 't.json:1:4: expected the end of the file'],
    ['a property twice', '{ "a": 1,\n  "a": 2 }', 't.json:2:3 /a: expected each property once'],
    [
      'a property twice deep inside',
      '{"x": [{"a": 1, "a": 2}]}',
      't.json:1:17 /x/0/a: expected each property once',
    ],
    ['a property that objects inherit', '{"__proto__": 1}', 't.json:1:2 /__proto__: expected any other name'],
    ['a hundred thousand brackets', '['.repeat(100_000), 't.json:1:1: expected fewer values'],
    ['two million characters', ' '.repeat(2_000_000), 't.json:1:1: expected at most 1048576 characters'],
  ])('%s', (_what, text, expected) => {
    expect(problems(text)[0]).toContain(expected);
  });

  test('lines end as on Windows too', () => {
    expect(problems('{\r\n  "a": 1,\r\n  "a": 2\r\n}')[0]).toContain('t.json:3:3 /a');
  });
});

describe('what does not fit the schema is located, with what is expected and what was found', () => {
  test.each<[string, (raw: Raw) => void, string]>([
    [
      'an unknown property',
      (raw) => Object.assign(raw, { chian: [] }),
      '/chian: expected one of $schema, name, replicas',
    ],
    [
      'a missing property',
      (raw) => delete raw.chain,
      '/chain: expected a list of 1 to 32 node names, found nothing',
    ],
    [
      'a list that is no list',
      (raw) => Object.assign(raw, { chain: 'n1' }),
      '/chain: expected a list of 1 to 32 node names, found "n1"',
    ],
    [
      'an empty chain',
      (raw) => Object.assign(raw, { chain: [] }),
      '/chain: expected a list of 1 to 32 node names, found an empty list',
    ],
    [
      'a number as text',
      (raw) => Object.assign(raw, { replicas: '2' }),
      '/replicas: expected a whole number from 1 to 32, found "2"',
    ],
    [
      'half a replica',
      (raw) => Object.assign(raw, { replicas: 1.5 }),
      '/replicas: expected a whole number from 1 to 32, found 1.5',
    ],
    [
      'no replica',
      (raw) => Object.assign(raw, { replicas: 0 }),
      '/replicas: expected a whole number from 1 to 32, found 0',
    ],
    [
      'a name with a slash',
      (raw) => Object.assign(nodes(raw), { 'a/b': nodes(raw).n1 }),
      '/nodes/a~1b: expected a name of 1 to 63 letters',
    ],
    [
      'more nodes than there may be',
      (raw) => {
        const many = Array.from({ length: 40 }, (_none, i) => [`m${i}`, nodes(raw).n1]);
        raw.nodes = { ...nodes(raw), ...Object.fromEntries(many) };
      },
      '/nodes: expected an object with at most 32 nodes (42 are here), found an object',
    ],
    [
      'a node without a peer',
      (raw) => delete nodes(raw).n1?.peer,
      '/nodes/n1/peer: expected host:port, found nothing',
    ],
    [
      'a peer without a port',
      (raw) => Object.assign(nodes(raw).n1 ?? {}, { peer: 'localhost' }),
      '/nodes/n1/peer: expected host:port, found "localhost"',
    ],
    [
      'a peer with a port beyond',
      (raw) => Object.assign(nodes(raw).n1 ?? {}, { peer: 'h:65536' }),
      '/nodes/n1/peer: expected host:port, the port a number from 1 to 65535, found "h:65536"',
    ],
    [
      'a URL with a path',
      (raw) => Object.assign(nodes(raw).n1 ?? {}, { urls: ['http://a:1/x'] }),
      '/nodes/n1/urls/0: expected http://host:port without a path',
    ],
    [
      'a URL with a slash',
      (raw) => Object.assign(nodes(raw).n1 ?? {}, { urls: ['http://a:1/'] }),
      '/nodes/n1/urls/0: expected http://host:port without a path',
    ],
    [
      'a URL of HTTPS',
      (raw) => Object.assign(nodes(raw).n1 ?? {}, { urls: ['https://a:1'] }),
      '/nodes/n1/urls/0: expected http://host:port without a path (https is not spoken here',
    ],
    [
      'a URL with a port beyond',
      (raw) => Object.assign(nodes(raw).n1 ?? {}, { urls: ['http://localhost:99999'] }),
      '/nodes/n1/urls/0: expected http://host:port without a path, the port a number from 1 to 65535, found "http://localhost:99999"',
    ],
    [
      'a URL with port 0',
      (raw) => Object.assign(nodes(raw).n1 ?? {}, { urls: ['http://localhost:0'] }),
      '/nodes/n1/urls/0: expected http://host:port without a path, the port a number from 1 to 65535, found "http://localhost:0"',
    ],
    [
      'no URL',
      (raw) => Object.assign(nodes(raw).n1 ?? {}, { urls: [] }),
      '/nodes/n1/urls: expected a list of 1 to 8 URLs',
    ],
    [
      'a misspelt choice',
      (raw) => Object.assign(raw, { reads: 'head' }),
      '/reads: expected one of "tail", "any", found "head"',
    ],
    [
      'no time at all',
      (raw) => Object.assign(raw, { timing: { leaseMs: 0 } }),
      '/timing/leaseMs: expected a whole number from 10',
    ],
    [
      'a key too long for the formats',
      (raw) => Object.assign(raw, { limits: { keyBytes: 65_536 } }),
      '/limits/keyBytes: expected a whole number from 1 to 65535',
    ],
    [
      'an origin with a path',
      (raw) => Object.assign(raw, { origins: ['https://a/b'] }),
      '/origins/0: expected an origin',
    ],
  ])('%s', (_what, edit, expected) => {
    expect(problems(file(edit))).toEqual([expect.stringContaining(expected)]);
  });

  test('lines and columns are those of the value, or of the name of a property that should not be there', () => {
    const text = file().replace('"replicas": 2', '"replicas": 2.5, "extra": 1');
    expect(problems(text).map((line) => line.split(' ')[0])).toEqual(['t.json:3:15', 't.json:3:20']);
  });

  test('what is missing is located at what it is missing from', () => {
    const text = file((raw) => delete nodes(raw).n2?.peer);
    const line = text.split('\n').findIndex((row) => row.includes('"n2": {')) + 1;
    expect(problems(text)).toEqual([expect.stringContaining(`t.json:${line}:11 /nodes/n2/peer: `)]);
  });

  test.each(['[]', '3', '"x"', 'null', 'true'])('%s is no topology', (text) => {
    expect(problems(text)[0]).toContain(
      't.json:1:1: expected an object with the properties of a topology, found ',
    );
  });
});

describe('what makes no sense is located', () => {
  const second = (raw: Raw, address: Raw) => Object.assign(nodes(raw).n2 ?? {}, address);
  test.each<[string, (raw: Raw) => void, string]>([
    [
      'an unknown node',
      (raw) => Object.assign(raw, { chain: ['n1', 'n9'] }),
      '/chain/1: expected a node of "nodes", one of n1, n2; found "n9"',
    ],
    [
      'a node of an inherited name',
      (raw) => Object.assign(raw, { chain: ['n1', 'constructor'] }),
      '/chain/1: expected a node of "nodes"',
    ],
    [
      'a node twice',
      (raw) => Object.assign(raw, { chain: ['n1', 'n2', 'n1'] }),
      '/chain/2: expected each node once, found "n1" again (first at /chain/0)',
    ],
    [
      'too many replicas',
      (raw) => Object.assign(raw, { replicas: 3 }),
      '/replicas: expected at most 2, as many as "chain" has nodes, found 3',
    ],
    [
      'no coordinator',
      (raw) => Object.assign(raw, { coordinators: {} }),
      '/coordinators: expected exactly one coordinator, found 0',
    ],
    [
      'two coordinators',
      (raw) => Object.assign(raw.coordinators as Raw, { c2: { urls: ['http://c2'], peer: 'c2:1' } }),
      '/coordinators: expected exactly one coordinator, found 2',
    ],
    [
      'a coordinator with the name of a node',
      (raw) => Object.assign(raw, { coordinators: { n1: { urls: ['http://c'], peer: 'c:1' } } }),
      '/coordinators/n1: expected a name of its own, found "n1", as at /nodes/n1',
    ],
    [
      'names that differ in case alone',
      (raw) => Object.assign(nodes(raw), { N1: { urls: ['http://c'], peer: 'c:1' } }),
      '/nodes/N1: expected a name of its own',
    ],
    [
      'a URL twice',
      (raw) => second(raw, { urls: ['http://localhost:4466'] }),
      '/nodes/n2/urls/0: expected an address of its own, found http://localhost:4466, the one at /nodes/n1/urls/0',
    ],
    [
      'a URL twice under two names of the loopback',
      (raw) => second(raw, { urls: ['http://[::1]:4466'] }),
      '/nodes/n2/urls/0: expected an address of its own',
    ],
    [
      'a URL that a coordinator has',
      (raw) => second(raw, { urls: ['http://127.0.0.1:4460'] }),
      '/coordinators/c1/urls/0: expected an address of its own',
    ],
    [
      'a peer address twice',
      (raw) => second(raw, { peer: '127.0.0.1:5466' }),
      '/nodes/n2/peer: expected an address of its own',
    ],
    [
      'a peer address that is a URL',
      (raw) => second(raw, { peer: 'localhost:4467' }),
      '/nodes/n2/peer: expected an address of its own',
    ],
    [
      'one URL with port 80 and one without',
      (raw) => second(raw, { urls: ['http://h', 'http://h:80'] }),
      '/nodes/n2/urls/1: expected an address of its own',
    ],
    [
      'suspicion as quick as the heartbeat',
      (raw) => Object.assign(raw, { timing: { heartbeatMs: 500 } }),
      '/timing/suspectAfterMs: expected more than heartbeatMs (500), is 500',
    ],
    [
      'a value larger than a batch',
      (raw) => Object.assign(raw, { limits: { valueBytes: 8_388_608 } }),
      '/limits/batchBytes: expected at least valueBytes (8388608), is 4194304',
    ],
    [
      'a batch larger than what may be in flight',
      (raw) => Object.assign(raw, { limits: { inFlightBytes: 1_048_576 } }),
      '/limits/inFlightBytes: expected at least batchBytes',
    ],
    [
      'a batch larger than the store',
      (raw) => Object.assign(raw, { limits: { storeBytes: 1_048_576 } }),
      '/limits/storeBytes: expected at least batchBytes',
    ],
  ])('%s', (_what, edit, expected) => {
    expect(problems(file(edit))).toEqual([expect.stringContaining(expected)]);
  });
});

test.each(['', ' \n', '\uFEFF'])('an empty file is said to be empty: %j', (text) => {
  const parsed = parseTopology(text, 'empty.json');
  expect(parsed.kind === 'bad' && parsed.problems.map(describeProblem)).toEqual([
    'empty.json:1:1: expected a topology, found an empty file',
  ]);
});

test('all problems of a file are told, in its order, those of the schema and those of sense', () => {
  const text = file((raw) => {
    raw.name = 7;
    raw.chain = ['n1', 'n9'];
    raw.coordinators = {};
    raw.limits = { keyBytes: -1 };
  });
  const pointers = problems(text).map((line) => line.split(' ')[1]);
  expect(pointers).toEqual(['/name:', '/chain/1:', '/coordinators:', '/limits/keyBytes:']);
});

test('a property behind a slash or a tilde has a well-formed pointer', () => {
  expect(problems(file((raw) => Object.assign(raw, { 'a/b~c': 1 })))[0]).toContain(' /a~1b~0c: ');
});

test('no text makes the parser throw', () => {
  const cut = file();
  fc.assert(
    fc.property(fc.nat(cut.length), fc.nat(cut.length), fc.string(), (from, to, put) => {
      const parsedText = parseTopology(cut.slice(0, from) + put + cut.slice(to), 't.json');
      expect(parsedText.kind === 'ok' || parsedText.problems.length > 0).toBe(true);
    }),
  );
  fc.assert(fc.property(fc.json(), (text) => expect(problems(text).length).toBeGreaterThan(0)));
});

describe('the files that come with catena', () => {
  const text = (name: string) => readFileSync(new URL(`../../topology/${name}`, import.meta.url), 'utf8');

  test.each(['local.json', 'docker.json', 'five-with-spares.json'])(
    '%s is sound and names its schema',
    (name) => {
      const { topology } = parsed(text(name));
      expect(topology.$schema).toBe('./topology.schema.json');
      expect(topology.replicas).toBe(3);
    },
  );

  test('docker.json has an address on each network for every node, and a spare outside the chain', () => {
    const { topology } = parsed(text('docker.json'));
    for (const address of [...Object.values(topology.nodes), ...Object.values(topology.coordinators)]) {
      expect(address.urls).toEqual([
        expect.not.stringContaining('localhost'),
        expect.stringContaining('localhost'),
      ]);
    }
    expect(Object.keys(topology.nodes)).toEqual([...topology.chain, 'node-4']);
  });
});

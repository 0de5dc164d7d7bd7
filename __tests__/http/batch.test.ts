import { call, startNode } from './harness.ts';

async function startBatches(more: Parameters<typeof startNode>[0] = {}) {
  const node = await startNode(more);
  const send = (body: unknown, headers: Record<string, string> = {}) =>
    call(`${node.url}/batch`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers,
    });
  return { ...node, send };
}

test('a batch answers as each single request would, all at one version', async () => {
  const { send, url } = await startBatches();
  await call(`${url}/set/old`, { method: 'PUT', body: 'x' });
  const { status, body } = await send({
    operations: [
      { op: 'check', key: 'old', version: 1 },
      { op: 'set', key: 'a', value: 'text', ttl: 60, ifVersion: 0 },
      { op: 'set', key: 'old', value: { b: [1] }, ifVersion: 1 },
      { op: 'set', key: 'raw', value: '/wA=', encoding: 'base64', contentType: 'image/x' },
      { op: 'increment', key: 'n', by: 5 },
      { op: 'increment', key: 'n' },
      { op: 'get', key: 'a' },
      { op: 'get', key: 'old' },
      { op: 'get', key: 'raw' },
      { op: 'get', key: 'absent' },
      { op: 'expire', key: 'a' },
      { op: 'delete', key: 'a' },
      { op: 'delete', key: 'a' },
    ],
  });
  expect(status).toBe(200);
  expect(body).toEqual({
    results: [
      { key: 'old', checked: true },
      { key: 'a', version: 2, created: true },
      { key: 'old', version: 2, created: false },
      { key: 'raw', version: 2, created: true },
      { key: 'n', value: 5, version: 2 },
      { key: 'n', value: 6, version: 2 },
      { key: 'a', value: 'text', encoding: 'utf8', contentType: '', version: 2, expiresIn: 60 },
      { key: 'old', value: '{"b":[1]}', encoding: 'utf8', contentType: 'application/json', version: 2 },
      { key: 'raw', value: '/wA=', encoding: 'base64', contentType: 'image/x', version: 2 },
      { key: 'absent', value: null, version: 0 },
      { key: 'a', version: 2 },
      { key: 'a', deleted: true },
      { key: 'a', deleted: false },
    ],
  });
});

test('what a batch reads can be sent back as it is', async () => {
  const { send, store } = await startBatches();
  const bytes = 'a\u00ff\u0000';
  for (const contentType of ['application/octet-stream', 'image/x']) {
    const operation = {
      op: 'set',
      key: 'a',
      value: { bytes, contentType },
      ttlMs: null,
      condition: null,
    } as const;
    store.apply({ kind: 'single', operation }, null);
    const read = await send({ operations: [{ op: 'get', key: 'a' }] });
    const {
      value,
      encoding,
      contentType: type,
    } = (read.body as { results: Record<string, unknown>[] }).results[0] as Record<string, unknown>;
    await send({ operations: [{ op: 'set', key: 'b', value, encoding, contentType: type }] });
    expect(store.records.get('b')?.value).toEqual({ bytes, contentType });
  }
});

test('one failure undoes an atomic batch: 412 with its index, whatever it was', async () => {
  const { send, store } = await startBatches();
  await send({ operations: [{ op: 'set', key: 'a', value: 'text' }] });
  const set = { op: 'set', key: 'b', value: 'x' };
  const fail = (operation: object) => send({ operations: [set, operation] });
  expect(await fail({ op: 'check', key: 'a', version: 9 })).toMatchObject({
    status: 412,
    body: { type: 'urn:catena:problem:precondition-failed', status: 412, index: 1, key: 'a', version: 1 },
  });
  expect(await fail({ op: 'increment', key: 'a' })).toMatchObject({
    status: 412,
    body: { type: 'urn:catena:problem:not-an-integer', status: 412, index: 1, key: 'a', version: 1 },
  });
  expect(await fail({ op: 'expire', key: 'c', ttl: 1 })).toMatchObject({ status: 412, body: { index: 1 } });
  expect(store.records.has('b')).toBe(false);
});

test('with "atomic": false each operation stands alone', async () => {
  const { send } = await startBatches();
  const { status, body } = await send({
    atomic: false,
    operations: [
      { op: 'check', key: 'a', version: 9 },
      { op: 'set', key: 'a', value: 'x' },
    ],
  });
  expect(status).toBe(200);
  expect(body).toEqual({
    results: [
      {
        key: 'a',
        error: {
          type: 'urn:catena:problem:precondition-failed',
          title: 'Precondition failed',
          status: 412,
          detail: expect.any(String),
          version: 0,
        },
      },
      { key: 'a', version: 1, created: true },
    ],
  });
});

test('a batch without writes makes no entry, and may fail its check', async () => {
  const { send, service } = await startBatches();
  const check = await send({
    operations: [
      { op: 'get', key: 'a' },
      { op: 'check', key: 'a', version: 1 },
    ],
  });
  expect(check).toMatchObject({ status: 412, body: { index: 1 } });
  const read = await send({ operations: [{ op: 'get', key: 'a' }] });
  expect(read).toMatchObject({ status: 200, body: { results: [{ key: 'a', value: null, version: 0 }] } });
  expect(service.writes).toEqual([]);
});

test('a replayed batch gives what it did, but for the values that it read', async () => {
  const { send } = await startBatches();
  const operations = [
    { op: 'set', key: 'a', value: 'x' },
    { op: 'get', key: 'a' },
  ];
  await send({ operations }, { 'Idempotency-Key': 'one' });
  const replay = await send({ operations }, { 'Idempotency-Key': 'one' });
  expect(replay.headers.get('idempotent-replay')).toBe('true');
  expect(replay.body).toEqual({
    results: [
      { key: 'a', version: 1, created: true },
      { key: 'a', replayed: true },
    ],
  });
});

const SET = { op: 'set', key: 'a', value: 'x' };

test.each([
  ['not JSON', '{', 'bad-json', undefined],
  ['no object', '[]', 'bad-request', ''],
  ['nothing to do', '{}', 'bad-parameter', '/operations'],
  ['an empty list', { operations: [] }, 'bad-parameter', '/operations'],
  ['1001 operations', { operations: Array(1001).fill(SET) }, 'bad-parameter', '/operations'],
  ['a strange member', { operations: [SET], atomicc: true }, 'bad-parameter', '/atomicc'],
  ['no boolean', { operations: [SET], atomic: 'no' }, 'bad-parameter', '/atomic'],
  ['no operation', { operations: [SET, 5] }, 'bad-parameter', '/operations/1'],
  ['an unknown op', { operations: [{ op: 'toString', key: 'a' }] }, 'bad-parameter', '/operations/0/op'],
  ['no key', { operations: [{ op: 'get' }] }, 'bad-parameter', '/operations/0/key'],
  ['an empty key', { operations: [{ op: 'get', key: '' }] }, 'bad-key', '/operations/0/key'],
  ['half a character', '{"operations":[{"op":"get","key":"\\ud800"}]}', 'bad-key', '/operations/0/key'],
  ['no value', { operations: [{ op: 'set', key: 'a' }] }, 'bad-parameter', '/operations/0/value'],
  [
    'a misspelt condition',
    { operations: [{ ...SET, ifversion: 0 }] },
    'bad-parameter',
    '/operations/0/ifversion',
  ],
  ['a strange name', { operations: [{ ...SET, 'a/b~': 0 }] }, 'bad-parameter', '/operations/0/a~1b~0'],
  [
    'a negative version',
    { operations: [{ ...SET, ifVersion: -1 }] },
    'bad-parameter',
    '/operations/0/ifVersion',
  ],
  [
    'a version in quotes',
    { operations: [{ ...SET, ifVersion: '1' }] },
    'bad-parameter',
    '/operations/0/ifVersion',
  ],
  ['ttl -1', { operations: [{ ...SET, ttl: -1 }] }, 'bad-parameter', '/operations/0/ttl'],
  ['ttl as text', { operations: [{ ...SET, ttl: '1' }] }, 'bad-parameter', '/operations/0/ttl'],
  ['by 1.5', { operations: [{ op: 'increment', key: 'a', by: 1.5 }] }, 'bad-parameter', '/operations/0/by'],
  ['no version', { operations: [{ op: 'check', key: 'a' }] }, 'bad-parameter', '/operations/0/version'],
  ['an encoding', { operations: [{ ...SET, encoding: 'hex' }] }, 'bad-parameter', '/operations/0/encoding'],
  [
    'bad base64',
    { operations: [{ ...SET, value: 'a!', encoding: 'base64' }] },
    'bad-parameter',
    '/operations/0/value',
  ],
  [
    'half a character in a value',
    `{"operations":[{"op":"set","key":"a","value":"\\udfff"}]}`,
    'bad-text',
    '/operations/0/value',
  ],
  [
    'bytes called text',
    { operations: [{ ...SET, value: '/w==', encoding: 'base64', contentType: 'text/plain' }] },
    'bad-text',
    '/operations/0/value',
  ],
  [
    'text called JSON',
    { operations: [{ ...SET, contentType: 'application/json' }] },
    'bad-json',
    '/operations/0/value',
  ],
  [
    'JSON called text',
    { operations: [{ ...SET, value: 5, contentType: 'text/plain' }] },
    'bad-parameter',
    '/operations/0/contentType',
  ],
  [
    'a type with a line in it',
    { operations: [{ ...SET, contentType: 'a/b\r\nX: y' }] },
    'bad-request',
    '/operations/0/contentType',
  ],
])('%s in a batch is refused, with its place', async (_what, body, type, pointer) => {
  const { send, service } = await startBatches();
  const answer = await send(body);
  expect(answer).toMatchObject({
    status: 400,
    body: { type: `urn:catena:problem:${type}`, ...(pointer === undefined ? {} : { pointer }) },
  });
  expect(service.writes).toEqual([]);
});

test('keys and values in a batch keep to the limits', async () => {
  const { send } = await startBatches({ limits: { keyBytes: 4, valueBytes: 3, batchBytes: 200 } });
  const one = (operation: object) => send({ operations: [operation] });
  expect((await one({ op: 'set', key: 'üü', value: 'abc' })).status).toBe(200);
  expect(await one({ op: 'set', key: 'üüa', value: 'abc' })).toMatchObject({
    status: 414,
    body: { limit: 4, pointer: '/operations/0/key' },
  });
  expect(await one({ op: 'set', key: 'a', value: 'üü' })).toMatchObject({
    status: 413,
    body: { limit: 3, pointer: '/operations/0/value' },
  });
  expect(await one({ op: 'set', key: 'a', value: 'x'.repeat(300) })).toMatchObject({
    status: 413,
    body: { type: 'urn:catena:problem:batch-too-large', limit: 200 },
  });
});

test.each([
  ['9007199254740993'],
  ['-0'],
  ['1e400'],
  ['1.10'],
  ['{"a":1,"a":2}'],
  ['{ "b" : [ 1 ,\t2 ],\n"ü" : "\\u0041\\ud800 } ] ,", "value": null }'],
  ['[[{"key":"]}"}],[]]'],
  ['null'],
  ['true'],
])('the value %s of a batch is stored in the very text it had', async (json) => {
  const { send, store } = await startBatches();
  const text = Buffer.from(json).toString('latin1');
  const answer = await send(
    `{"atomic":false,"operations":[ {"op":"get","key":"x"},{"value": ${json} ,"op":"set","key":"a"},
      {"op":"set","key":"b","v\\u0061lue":\n${json}},{"op":"set","key":"c","value":"text"}]}`,
  );
  expect(answer.status).toBe(200);
  for (const key of ['a', 'b']) {
    expect(store.records.get(key)?.value).toEqual({ bytes: text, contentType: 'application/json' });
  }
  expect(store.records.get('c')?.value).toEqual({ bytes: 'text', contentType: '' });
});

test('a batch that would read more than a node can write out in one go is 413, and says how much is too much', async () => {
  const { url } = await startNode();
  const value = 'x'.repeat(1_000_000);
  const keys = Array.from({ length: 17 }, (_, at) => `large-${at}`);
  for (const key of keys) await call(`${url}/set/${key}`, { method: 'PUT', body: value });
  const read = (count: number) =>
    call(`${url}/batch`, {
      method: 'POST',
      body: JSON.stringify({ operations: keys.slice(0, count).map((key) => ({ op: 'get', key })) }),
    });
  expect((await read(16)).status).toBe(200);
  expect(await read(17)).toMatchObject({
    status: 413,
    body: { type: 'urn:catena:problem:batch-too-large', limit: 16_777_216 },
  });
});

test('of members that come twice in a batch the last counts, as everywhere in JSON', async () => {
  const { send, store } = await startBatches();
  await send(
    '{"operations":[1,{"value":7}],"operations":5,"operations":[{"op":"set","key":"a","value":1,"value":"x","value":2.0}]}',
  );
  expect(store.records.get('a')?.value.bytes).toBe('2.0');
});

test('1000 values in 4 MiB are found in one go, however they are nested', async () => {
  const { send, store } = await startBatches();
  const operations = (value: string) =>
    `{"operations":[${Array.from({ length: 1000 }, (_none, i) => `{"op":"set","key":"k${i}","value":${value}}`).join()}]}`;
  const numbers = `[${'1,'.repeat(2040)}1]`;
  expect((await send(operations(numbers))).status).toBe(200);
  expect(store.records.get('k999')?.value.bytes).toBe(numbers);
  const deep = '['.repeat(400_000) + ']'.repeat(400_000);
  const { status } = await send(`{"operations":[{"op":"set","key":"deep","value":${deep}}]}`);
  expect([200, 400]).toContain(status);
  if (status === 200) expect(store.records.get('deep')?.value.bytes).toBe(deep);
});

test('a replayed refusal says that it is one', async () => {
  const { send, url } = await startBatches();
  const headers = { 'Idempotency-Key': 'one' };
  const body = { operations: [{ op: 'check', key: 'a', version: 9 }, SET] };
  const [first, again] = [await send(body, headers), await send(body, headers)];
  expect(first.headers.get('idempotent-replay')).toBeNull();
  expect(again).toMatchObject({ status: 412, body: first.body });
  expect(again.headers.get('idempotent-replay')).toBe('true');

  await call(`${url}/set/t`, { method: 'PUT', body: 'text' });
  for (const [method, path, status, more] of [
    ['PUT', '/set/a', 412, { 'If-Match': '*' }],
    ['POST', '/increment/t', 409, {}],
    ['POST', '/expire/absent', 404, {}],
  ] as const) {
    const send = () => call(url + path, { method, headers: { ...more, 'Idempotency-Key': path } });
    const [once, twice] = [await send(), await send()];
    expect(once.headers.get('idempotent-replay')).toBeNull();
    expect(twice).toMatchObject({ status, body: once.body });
    expect(twice.headers.get('idempotent-replay')).toBe('true');
    expect(twice.headers.get('etag')).toBe(once.headers.get('etag'));
  }
});

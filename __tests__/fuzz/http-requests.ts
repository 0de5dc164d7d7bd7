import fc from 'fast-check';
import { jsonLike, jsonMutations, mutatedJson } from './mutate.ts';

/** A request before it is bytes; each text one character per byte. */
export interface Request {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly headers: readonly string[];
  readonly body: string;
  readonly framing: 'length' | 'chunks' | 'too long' | 'none';
}

const method = fc.oneof(
  fc.constantFrom('GET', 'HEAD', 'PUT', 'POST', 'DELETE'),
  fc.constantFrom('OPTIONS', 'PATCH', 'TRACE', 'CONNECT', 'PRI', 'get', 'X', 'QUERY', 'SOURCE', 'M-SEARCH'),
);
const keyRoutes = ['/get/', '/set/', '/delete/', '/increment/', '/expire/'] as const;
const pages = [
  '/keys',
  '/export',
  '/watch',
  '/batch',
  '/topology',
  '/status',
  '/healthz',
  '/readyz',
  '/metrics',
] as const;
const others = [
  '/history',
  '/force',
  '/',
  '//',
  '/get',
  '/keys/',
  '/watch/',
  '*',
  '/%',
  '/..;/',
  'http://a/get/',
  'x:',
] as const;
const path = fc.oneof(fc.constantFrom(...keyRoutes), fc.constantFrom(...pages), fc.constantFrom(...others));

const key = fc.oneof(
  fc.constantFrom(
    'a',
    'b',
    'n',
    '%',
    '%zz',
    '%ff',
    '%C3%BC',
    '%ED%A0%80',
    '%00',
    '%2F',
    '..',
    '.',
    '#',
    ';',
    '\\',
    '__proto__',
    '%25',
  ),
  fc.string({ unit: fc.constantFrom(...'/.%?&=#;:@+*aZ09\u00ff\u00c3-_~"\\ \t|<>^`{}'), maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 8 }).map((text) => encodeURIComponent(text.toWellFormed())),
  fc.constantFrom('x'.repeat(1024), 'x'.repeat(1025), '%C3%BC'.repeat(513), 'x'.repeat(70_000)),
);
const number = fc.oneof(
  fc.constantFrom(
    '0',
    '-0',
    '1',
    '-1',
    '0.5',
    '.5',
    '5.',
    '1e3',
    'NaN',
    'Infinity',
    '',
    '+1',
    '0x10',
    ' 1',
    '1_0',
  ),
  fc.constantFrom(
    '9007199254740991',
    '9007199254740992',
    '-9007199254740991',
    '99999999999999999999',
    '315360000.1',
    '1e999',
  ),
  fc.integer().map(String),
  fc.double().map(String),
);
const text = fc.oneof(
  key,
  number,
  fc.constantFrom('true', 'false', 'TRUE', 'yes', 'data-may-be-lost', 'n1', 'c1'),
);
const parameter = fc
  .tuple(
    fc.constantFrom(
      ...['ttl', 'by', 'limit', 'prefix', 'after', 'values', 'request-id', 'forward', 'epoch', 'dry-run'],
      ...['survivor', 'confirm', 'since', 'unknown', '__proto__', '%', 'tt%6c', ''],
    ),
    fc.oneof(text, number),
    fc.constantFrom('=', '=', '=', '', '=='),
  )
  .map(([name, value, equals]) => `${name}${equals}${value}`);
/** With `forward=true` more often: it goes another way. */
const query = fc.oneof(
  fc.constant(''),
  fc.array(parameter, { maxLength: 4 }).map((all) => `?${all.join('&')}`),
  fc.array(parameter, { maxLength: 2 }).map((all) => `?${['forward=true', ...all].join('&')}`),
);

const headerValue = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'"*,;=/W0129 abq.\u00e9\t'), maxLength: 30 }),
  fc.constantFrom(
    '"1"',
    '*',
    '"0"',
    '"9007199254740993"',
    'W/"1"',
    '"1","2"',
    '',
    'application/json',
    'text/plain; q=x',
  ),
  fc.constantFrom(
    'application/octet-stream',
    'text/plain',
    'a/b;c',
    'null',
    'http://localhost:4460',
    'chunked',
    'gzip',
    'identity',
  ),
  fc.constantFrom(
    '100-continue',
    'close',
    'keep-alive',
    'Upgrade',
    'h2c',
    'websocket',
    '-1',
    '1',
    '10',
    '18446744073709551615',
    'x'.repeat(300),
  ),
);
const headerName = fc.constantFrom(
  ...[
    'Accept',
    'If-Match',
    'If-None-Match',
    'Content-Type',
    'Idempotency-Key',
    'Origin',
    'Expect',
    'Connection',
  ],
  ...[
    'Content-Encoding',
    'Content-Length',
    'Transfer-Encoding',
    'Catena-Forwarded',
    'Accept-Version',
    'Upgrade',
    'Host',
  ],
  ...[
    'Trailer',
    'TE',
    'Range',
    'X-HTTP-Method-Override',
    'constructor',
    'hasOwnProperty',
    '__proto__',
    'Authorization',
  ],
  ...[
    'Access-Control-Request-Method',
    'Accept-Encoding',
    'Date',
    'X-Request-Id',
    'Cookie',
    'Keep-Alive',
    'HTTP2-Settings',
  ],
);
const header = fc.tuple(headerName, headerValue).map(([name, value]) => `${name}: ${value}`);

const operation = fc.record(
  {
    op: fc.constantFrom('set', 'get', 'delete', 'increment', 'expire', 'check', 'toString', '__proto__'),
    key: fc.oneof(
      fc.constantFrom('a', 'b', '', '\ud800', 'x'.repeat(1025), '\0'),
      fc.string({ unit: 'binary', maxLength: 5 }),
    ),
    value: fc.oneof(fc.string(), fc.jsonValue({ maxDepth: 2 }), fc.constantFrom('ü', '\udc00', '=', 'YQ==')),
    encoding: fc.constantFrom('utf8', 'base64', 'hex'),
    contentType: fc.constantFrom('text/plain', 'application/json', 'x', 'a/b\r\nEvil: 1', ''),
    ttl: fc.oneof(fc.double(), fc.constantFrom(1, 0, null)),
    ifVersion: fc.oneof(fc.integer(), fc.constantFrom(0, 1, -0, 1.5)),
    by: fc.oneof(fc.integer(), fc.constantFrom(Number.MAX_SAFE_INTEGER, 2 ** 53, 0.5)),
    version: fc.nat(3),
  },
  { requiredKeys: ['op', 'key'] },
);
/** What each operation takes, and no more: else nearly all are refused for what they have too much. */
const soundOperation = fc.oneof(
  fc.record({ op: fc.constant('set'), key: fc.constantFrom('a', 'b'), value: fc.jsonValue({ maxDepth: 2 }) }),
  fc.record({ op: fc.constantFrom('get', 'delete'), key: fc.constantFrom('a', 'c') }),
  fc.record({ op: fc.constant('increment'), key: fc.constantFrom('a', 'n'), by: fc.integer() }),
  fc.record({ op: fc.constant('check'), key: fc.constantFrom('a', 'c'), version: fc.nat(3) }),
);
const batch = fc
  .record({
    operations: fc.array(fc.oneof(operation, soundOperation, soundOperation), { maxLength: 5 }),
    atomic: fc.option(fc.boolean(), { nil: undefined }),
  })
  .map((value) => JSON.stringify(value));
const latin1 = (utf8: string): string => Buffer.from(utf8, 'utf8').toString('latin1');

const body = (topology: string): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constant(''),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    batch.map(latin1),
    fc.tuple(batch, jsonMutations).map(([json, changes]) => latin1(mutatedJson(json, changes))),
    fc.constant(latin1(topology)),
    jsonMutations.map((changes) => latin1(mutatedJson(topology, changes))),
    jsonLike.map(latin1),
    fc.constant('x'.repeat(5000)),
  );

const verbOf = {
  '/get/': 'GET',
  '/set/': 'PUT',
  '/delete/': 'DELETE',
  '/increment/': 'POST',
  '/expire/': 'POST',
};

/** A request that would be taken but for its numbers, conditions and its body. */
const almostGood = (topology: string): fc.Arbitrary<Request> => {
  const onKey = fc
    .tuple(fc.constantFrom(...keyRoutes), fc.constantFrom('a', 'b', 'n'), query)
    .map(([route, name, rest]) => ({ method: verbOf[route], target: `${route}${name}${rest}` }));
  const onPage = fc
    .tuple(fc.constantFrom(...pages), fc.oneof(fc.constant(''), query))
    .map(([page, rest]) => ({ method: page === '/batch' ? 'POST' : 'GET', target: `${page}${rest}` }));
  const edit = query.map((rest) => ({ method: 'PUT', target: `/topology${rest}` }));
  const condition = fc
    .tuple(fc.constantFrom('If-Match', 'If-None-Match'), fc.constantFrom('*', '"1"', '"0"'))
    .map(([name, value]) => `${name}: ${value}`);
  const headers = fc.oneof(
    fc.constant([]),
    condition.map((text) => [text]),
    header.map((text) => [text]),
  );
  return fc
    .tuple(fc.oneof(onKey, onKey, onPage, edit), headers, body(topology))
    .map(([start, more, content]) => ({
      ...start,
      version: 'HTTP/1.1',
      headers: more,
      body: content,
      framing: start.method === 'PUT' || start.target.startsWith('/batch') ? 'length' : 'none',
    }))
    .map((request) =>
      request.framing === 'none' ? { ...request, body: '' } : request,
    ) as fc.Arbitrary<Request>;
};

const anyKind = (topology: string): fc.Arbitrary<Request> =>
  fc.record({
    method,
    target: fc.oneof(
      fc.tuple(fc.constantFrom(...keyRoutes), key, query).map((parts) => parts.join('')),
      fc.tuple(path, query).map((parts) => parts.join('')),
      fc.tuple(path, key, query).map((parts) => parts.join('')),
    ),
    version: fc.oneof(
      { weight: 8, arbitrary: fc.constant('HTTP/1.1') },
      {
        weight: 1,
        arbitrary: fc.constantFrom('HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', 'http/1.1', 'HTTP/1.1 ', ''),
      },
    ),
    headers: fc.array(header, { maxLength: 4 }),
    body: body(topology),
    framing: fc.constantFrom('length', 'length', 'length', 'chunks', 'too long', 'none'),
  });

/** Any request: an almost good one, or of any kind, with its body in any framing. */
export const anyRequest = (topology: string): fc.Arbitrary<Request> =>
  fc.oneof(almostGood(topology), anyKind(topology));

/** The request's bytes, one character each. */
export function requestText({
  method: verb,
  target,
  version,
  headers,
  body: content,
  framing,
}: Request): string {
  const lines = [`${verb} ${target} ${version}`, 'Host: localhost', ...headers];
  if (framing === 'length') lines.push(`Content-Length: ${content.length}`);
  if (framing === 'too long') lines.push(`Content-Length: ${content.length + 7}`);
  if (framing === 'chunks') lines.push('Transfer-Encoding: chunked');
  const half = Math.floor(content.length / 2);
  const chunk = (part: string) => (part === '' ? '' : `${part.length.toString(16)}\r\n${part}\r\n`);
  const sent =
    framing === 'chunks' ? `${chunk(content.slice(0, half))}${chunk(content.slice(half))}0\r\n\r\n` : content;
  return `${lines.join('\r\n')}\r\n\r\n${sent}`;
}

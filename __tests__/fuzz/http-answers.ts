/** An answer as it came over a connection. */
export interface Answer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** All of it came. */
  readonly whole: boolean;
}

/** INTERFACE.md, "HTTP", and what a parser of HTTP says. A 500 is a fault of the program. */
const STATUSES = new Set([
  ...[100, 200, 201, 204, 304, 307],
  ...[400, 403, 404, 405, 408, 409, 412, 413, 414, 422, 431, 503, 507],
]);
const BODYLESS = new Set([100, 204, 304]);

/**
 * The answers that a connection brought, one behind the other. One to `HEAD` tells a length and has no body: as nobody
 * knows here what was asked, a body that is missing where the next answer begins, or all ends, is no fault.
 */
export function answersIn(text: string): Answer[] {
  const answers: Answer[] = [];
  let rest = text;
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n');
    const [first = '', ...lines] = (end < 0 ? rest : rest.slice(0, end)).split('\r\n');
    if (end < 0 || !/^HTTP\/1\.1 \d{3} /.test(first)) throw new Error(`no answer: ${JSON.stringify(rest)}`);
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const status = Number(first.slice(9, 12));
    const { body, whole, taken } = bodyOf(rest.slice(end + 4), status, headers);
    answers.push({ status, headers, body, whole });
    rest = rest.slice(end + 4 + taken);
  }
  return answers;
}

interface Body {
  readonly body: string;
  readonly whole: boolean;
  readonly taken: number;
}

function bodyOf(text: string, status: number, headers: ReadonlyMap<string, string>): Body {
  const none = { body: '', whole: true, taken: 0 };
  if (BODYLESS.has(status) || text === '' || text.startsWith('HTTP/1.1 ')) return none;
  if (headers.get('transfer-encoding') === 'chunked') return chunksOf(text);
  const length = headers.has('content-length') ? Number(headers.get('content-length')) : text.length;
  const body = text.slice(0, length);
  return { body, whole: body.length === length, taken: body.length };
}

function chunksOf(text: string): Body {
  let body = '';
  let at = 0;
  for (;;) {
    const line = text.indexOf('\r\n', at);
    const length = line < 0 ? Number.NaN : Number.parseInt(text.slice(at, line), 16);
    if (Number.isNaN(length) || line + 4 + length > text.length)
      return { body, whole: false, taken: text.length };
    body += text.slice(line + 2, line + 2 + length);
    at = line + 4 + length;
    if (length === 0) return { body, whole: true, taken: at };
  }
}

/** Fails when an answer is not of the documented kind, or not whole. */
export function checkAnswer(answer: Answer): void {
  const { status, headers, body, whole } = answer;
  expect(STATUSES).toContain(status);
  if (!whole)
    throw new Error(`a part of an answer: ${JSON.stringify([status, ...headers, body.slice(-500)])}`);
  if (status === 100) return;
  expect(headers.get('catena-node')).toMatch(/^[nc]\d$/);
  expect(headers.has('catena-role')).toBe(true);
  if (status === 503) expect(headers.get('retry-after')).toMatch(/^\d+$/);
  if (status === 405) expect(headers.has('allow')).toBe(true);
  if (status === 307) expect(headers.get('location')).toMatch(/^http:\/\/[\x21-\x7e]+$/);
  const type = headers.get('content-type') ?? '';
  if (status >= 400) expect(type).toBe('application/problem+json');
  if (body === '' || !type.endsWith('json')) return;
  const utf8 = Buffer.from(body, 'latin1').toString('utf8');
  if (type === 'application/x-ndjson') {
    for (const line of utf8.trim().split('\n')) if (line !== '') JSON.parse(line);
    return;
  }
  const value: unknown = JSON.parse(utf8);
  if (status >= 400) {
    expect(value).toMatchObject({
      type: expect.stringMatching(/^urn:catena:problem:[a-z-]+$/),
      title: expect.stringMatching(/^\w/),
      status,
      detail: expect.stringMatching(/\w/),
    });
  }
}

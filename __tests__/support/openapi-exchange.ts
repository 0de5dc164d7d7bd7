import http from 'node:http';
import type { ApiAnswer, ApiDocument, ApiOperation, Schema } from './openapi-document.ts';

/** A request as it is sent, to the byte. */
export interface Sent {
  readonly method: string;
  /** Path and query, percent-encoded. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Without a header Host, which HTTP asks for. */
  readonly hostless?: boolean;
  /** Of a stream that has no end, the answer is what comes up to the first event, not only its first words. */
  readonly untilEvent?: boolean;
}

/** An answer as it came, the names of its headers in lower case. */
export interface Got {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What was asked of an operation, and what came. */
export interface Exchanged {
  readonly operation: string;
  readonly sent: Sent;
  readonly got: Got;
}

/** Sends a request to the server at `base`, follows no redirect, and reads the answer; of a stream without an end the first part. */
export function send(
  base: string,
  { method, target, headers = {}, body, hostless = false, untilEvent = false }: Sent,
): Promise<Got> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
    const request = http.request(
      { host: hostname, port, method, path: target, headers: { ...headers, ...length }, setHost: !hostless },
      (answer) => {
        const chunks: Buffer[] = [];
        const end = (): void => resolve(gotOf(answer, Buffer.concat(chunks)));
        answer.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          if (!/event-stream/.test(answer.headers['content-type'] ?? '')) return;
          if (!(untilEvent ? /\ndata: .*\n\n/ : /\n\n/).test(Buffer.concat(chunks).toString())) return;
          end();
          answer.destroy();
        });
        answer.on('end', end).on('error', reject);
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

function gotOf(answer: http.IncomingMessage, body: Buffer): Got {
  const headers = Object.entries(answer.headers).map(([name, value]) => [name, String(value)]);
  return { status: answer.statusCode ?? 0, headers: Object.fromEntries(headers), body: body.toString() };
}

/** Headers that belong to HTTP itself, or to browsers alone. */
const OF_HTTP =
  /^(connection|content-length|content-type|date|keep-alive|transfer-encoding|access-control-.*)$/;

/** Where an answer is not what the document says of the operation; empty when it is. */
export function undocumented(
  document: ApiDocument,
  { operation: id, sent, got }: Exchanged,
): readonly string[] {
  const operation = document.operation(id);
  const answer = document.answer(operation, got.status);
  const faults =
    answer === undefined
      ? ['the status is not documented']
      : [...headerFaults(document, answer, got), ...bodyFaults(document, operation, answer, got)];
  return faults.map(
    (fault) => `${sent.method} ${sent.target.slice(0, 100)} ${got.status} ${fault} ${got.body.slice(0, 300)}`,
  );
}

function headerFaults(document: ApiDocument, { headers }: ApiAnswer, got: Got): string[] {
  const known = new Map(Object.entries(headers).map(([name, said]) => [name.toLowerCase(), said]));
  const missing = [...known].filter(([name, { required }]) => required === true && !(name in got.headers));
  const present = Object.entries(got.headers).filter(([name]) => !OF_HTTP.test(name));
  return [
    ...missing.map(([name]) => `the header ${name} is missing`),
    ...present.flatMap(([name, text]) => {
      const said = known.get(name);
      if (said === undefined) return [`the header ${name} is not documented`];
      return document.faults(said.schema, instanceOf(said.schema, text)).map((fault) => `${name}: ${fault}`);
    }),
  ];
}

function bodyFaults(
  document: ApiDocument,
  { method }: ApiOperation,
  { content }: ApiAnswer,
  { headers, body }: Got,
): readonly string[] {
  if (method === 'HEAD' || content === undefined) {
    return body === '' ? [] : ['has a body, which is not documented'];
  }
  const type = (headers['content-type'] ?? '').replace(/\s*;.*/, '');
  const said = content[type] ?? content['*/*'];
  if (said === undefined) return [`the content type ${type} is not documented`];
  return documentsIn(body, type, said.schema).flatMap(({ schema, value }) => document.faults(schema, value));
}

/** The pieces of a body that schemas speak of. */
function documentsIn(body: string, type: string, schema: Schema): { schema: Schema; value: unknown }[] {
  if (type === 'text/event-stream') {
    const events = schema['x-catena-events'] as Readonly<Record<string, Schema>>;
    return body.split('\n\n').flatMap((block) => {
      const data = /^data: (.*)$/m.exec(block)?.[1];
      const kind = /^event: (.*)$/m.exec(block)?.[1] ?? 'message';
      return data === undefined ? [] : [{ schema: events[kind] ?? { not: {} }, value: JSON.parse(data) }];
    });
  }
  if (type === 'application/x-ndjson') {
    const lines = body.split('\n').filter((line) => line !== '');
    return lines.map((line) => ({ schema, value: JSON.parse(line) }));
  }
  return [{ schema, value: /json$/.test(type) ? JSON.parse(body) : body }];
}

/** A text as what the schema speaks of: a number or a flag where that is meant. */
export function instanceOf(schema: Schema, text: string): unknown {
  const { type } = schema;
  if ((type === 'integer' || type === 'number') && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

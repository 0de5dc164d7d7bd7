import type { ErrorCode } from '../../src/base/errors.ts';
import type { Operation } from '../../src/protocol/command.ts';
import type { Asked, Told, ToldRecord, ToldResult } from '../../src/simulator/history.ts';
import { isSingle, writes } from './requests.ts';

/** An answer that is no redirect. Header names in lower case. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** What an answer means for the call. */
export type Reading =
  | { readonly kind: 'told'; readonly told: Told }
  /** This attempt changed nothing: it may be made again. */
  | { readonly kind: 'no-effect'; readonly why: string }
  /** It may have taken effect, or may yet. */
  | { readonly kind: 'unknown'; readonly why: string; readonly requestId: string | null }
  /** No request of ours may be answered so. */
  | { readonly kind: 'wrong'; readonly why: string };

type Fields = Readonly<Record<string, unknown>>;

const NO_EFFECT: readonly string[] = [
  'OVERLOADED',
  'NOT_READY',
  'RECOVERING',
  'BROKEN',
  'READ_ONLY',
  'STORE_FULL',
  'FORWARD_FAILED',
];
const REFUSED: readonly string[] = ['PRECONDITION_FAILED', 'KEY_NOT_FOUND', 'NOT_AN_INTEGER', 'OUT_OF_RANGE'];

/** Reads an answer by INTERFACE.md, "HTTP". */
export function readAnswer(asked: Asked, answer: HttpAnswer): Reading {
  const { status } = answer;
  if (status === 200 || status === 201) return { kind: 'told', told: toldBy(asked, answer) };
  const problem = jsonOf(answer.body);
  const code = codeOf(problem.type);
  const why = `${status} ${code}: ${problem.detail ?? answer.body.toString().slice(0, 200)}`;
  if (code === 'OUTCOME_UNKNOWN') {
    return {
      kind: 'unknown',
      why,
      requestId: typeof problem.requestId === 'string' ? problem.requestId : null,
    };
  }
  if (code === 'REQUEST_ID_EXPIRED') return { kind: 'unknown', why, requestId: null };
  if (NO_EFFECT.includes(code)) return { kind: 'no-effect', why };
  if (REFUSED.includes(code)) return { kind: 'told', told: refusalOf(asked, code as ErrorCode, problem) };
  return { kind: 'wrong', why };
}

/** The versions of keys that an answer names. */
export function versionsIn(asked: Asked, told: Told): readonly (readonly [key: string, version: number])[] {
  if (told.kind === 'page') return told.keys.map(({ key, version }) => [key, version] as const);
  if (asked.kind === 'page') return [];
  const { operations } = asked;
  if (told.kind === 'refused') return pairs(operations[told.index], told.version);
  return told.results.flatMap((result, at) => pairs(operations[at], versionOf(result, told.version)));
}

function pairs(operation: Operation | undefined, version: number | null): [string, number][] {
  return operation === undefined || version === null ? [] : [[operation.key, version]];
}

function versionOf(result: ToldResult, written: number | null): number | null {
  switch (result.kind) {
    case 'set':
    case 'incremented':
      return written;
    case 'expiry':
    case 'failed':
      return result.version;
    case 'got':
      return result.record?.version ?? null;
    case 'deleted':
    case 'checked':
      return null;
  }
}

function refusalOf(asked: Asked, code: ErrorCode, problem: Fields): Told {
  const [first] = asked.kind === 'operations' ? asked.operations : [];
  if (first?.op === 'get' && isSingle(asked)) {
    return { kind: 'done', version: null, results: [{ kind: 'got', record: null }] };
  }
  return { kind: 'refused', index: numberOf(problem.index) ?? 0, code, version: numberOf(problem.version) };
}

function toldBy(asked: Asked, answer: HttpAnswer): Told {
  if (asked.kind === 'page') {
    const { keys, next } = jsonOf(answer.body) as Omit<Extract<Told, { kind: 'page' }>, 'kind'>;
    return { kind: 'page', keys, next };
  }
  const [first] = asked.operations;
  if (first === undefined || !isSingle(asked)) return toldByBatch(asked, answer);
  if (first.op === 'get') {
    return { kind: 'done', version: null, results: [{ kind: 'got', record: recordIn(answer) }] };
  }
  const body = jsonOf(answer.body);
  const result = resultOf(first, { ...body, created: answer.status === 201 });
  return { kind: 'done', version: writtenVersion(first, body), results: [result] };
}

function toldByBatch(asked: Extract<Asked, { kind: 'operations' }>, answer: HttpAnswer): Told {
  const { results } = jsonOf(answer.body) as { results?: Fields[] };
  if (results?.length !== asked.operations.length) {
    throw new Error(`${results?.length} results for ${asked.operations.length} operations`);
  }
  const versions = asked.operations.flatMap((operation, at) => {
    const version = writtenVersion(operation, results[at] ?? {});
    return version === null ? [] : [version];
  });
  return {
    kind: 'done',
    version: writes(asked) ? (versions[0] ?? null) : null,
    results: asked.operations.map((operation, at) => resultOf(operation, results[at] ?? {})),
  };
}

/** The seq of the entry, where the operation's result says it: only what writes a value does. */
function writtenVersion({ op }: Operation, result: Fields): number | null {
  return op === 'set' || op === 'increment' ? numberOf(result.version) : null;
}

function resultOf({ op }: Operation, result: Fields): ToldResult {
  if (result.error !== undefined) {
    const { type, version } = result.error as Fields;
    return { kind: 'failed', code: codeOf(type) as ErrorCode, version: numberOf(version) };
  }
  switch (op) {
    case 'set':
      return { kind: 'set', created: result.created === true };
    case 'delete':
      return { kind: 'deleted', deleted: result.deleted === true };
    case 'increment':
      return { kind: 'incremented', value: numberOf(result.value) ?? Number.NaN };
    case 'expire':
      return { kind: 'expiry', version: numberOf(result.version) };
    case 'check':
      return { kind: 'checked' };
    case 'get':
      return { kind: 'got', record: gotOf(result) };
  }
}

function gotOf(result: Fields): ToldRecord | null | undefined {
  if (result.replayed === true) return undefined;
  if (typeof result.value !== 'string') return null;
  const bytes = Buffer.from(result.value, result.encoding === 'base64' ? 'base64' : 'utf8').toString(
    'latin1',
  );
  return { bytes, contentType: typeOf(result.contentType), version: numberOf(result.version) };
}

function recordIn({ headers, body }: HttpAnswer): ToldRecord {
  const version = Number(/^"(\d+)"$/.exec(String(headers.etag))?.[1] ?? Number.NaN);
  return { bytes: body.toString('latin1'), contentType: typeOf(headers['content-type']), version };
}

/** A text is shown as text whatever type it came with. */
function typeOf(contentType: unknown): string | null {
  if (typeof contentType !== 'string' || contentType.startsWith('text/plain')) return null;
  return contentType;
}

/** `urn:catena:problem:store-full` as `STORE_FULL`. */
function codeOf(type: unknown): string {
  return String(type)
    .replace(/^urn:catena:problem:/, '')
    .toUpperCase()
    .replaceAll('-', '_');
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function jsonOf(body: Buffer): Fields {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Fields) : {};
  } catch {
    return {};
  }
}

import type { KeyPage } from '../runtime/node-service.ts';
import { describeRecord } from './answers.ts';
import type { Exchange } from './exchange.ts';
import { AFTER, LIMIT, PREFIX, VALUES } from './parameters.ts';
import type { QueryParameter } from './parameters-kinds.ts';
import { badParameter, type Query } from './query.ts';

/** A page of values ends when it has so many characters of JSON, and says where it goes on. */
const PAGE_CHARACTERS_MAX = 4_194_304;

/** What `GET /keys` asks for. */
export interface PageQuery {
  readonly prefix: string;
  readonly after: string | null;
  readonly limit: number;
  readonly values: boolean;
}

/**
 * @throws Refusal BAD_PARAMETER.
 */
export function pageQueryOf({ query }: Exchange, keyBytesMax: number): PageQuery {
  return {
    prefix: keyPart(PREFIX, query, keyBytesMax) ?? '',
    after: keyPart(AFTER, query, keyBytesMax) ?? null,
    limit: LIMIT.read(query),
    values: VALUES.read(query),
  };
}

/**
 * The prefix that `GET /export` asks for.
 *
 * @throws Refusal BAD_PARAMETER.
 */
export function prefixOf({ query }: Exchange, keyBytesMax: number): string {
  return keyPart(PREFIX, query, keyBytesMax) ?? '';
}

function keyPart(
  parameter: QueryParameter<string | undefined>,
  query: Query,
  keyBytesMax: number,
): string | undefined {
  const text = parameter.read(query);
  if (text === undefined || Buffer.byteLength(text) <= keyBytesMax) return text;
  throw badParameter(parameter.name, `a key has at most ${keyBytesMax} bytes (limits.keyBytes)`);
}

/** Answers with a page, shorter than asked for when its values are large. */
export function answerPage(
  exchange: Exchange,
  page: KeyPage,
  { values, logTimeMs }: { values: boolean; logTimeMs: number },
): void {
  const rows: string[] = [];
  let characters = 0;
  let next = page.next;
  for (const { key, record } of page.keys) {
    const row = JSON.stringify(
      values ? { key, ...describeRecord(record, logTimeMs) } : { key, version: record.version },
    );
    if (rows.length > 0 && characters + row.length > PAGE_CHARACTERS_MAX) {
      next = page.keys[rows.length - 1]?.key ?? null;
      break;
    }
    characters += row.length;
    rows.push(row);
  }
  const body = `{"keys":[${rows.join(',')}],"next":${JSON.stringify(next)}}`;
  exchange.answer(200, { 'Content-Type': 'application/json' }, body);
}

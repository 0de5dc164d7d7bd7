import type { Answer, Caller } from './caller.ts';
import { closingIterator, eitherSignal } from './closing-iterator.ts';
import { CatenaError, InvalidRequest } from './errors.ts';
import { jsonOf, refusalOf } from './problem.ts';
import type { CallOptions, Item, KeysOptions } from './types.ts';
import { decodeValue } from './values.ts';

const PAGE_KEYS_DEFAULT = 500;
const PAGE_KEYS_MAX = 1000;

/** A key as a page without values has it. */
interface KeyRow {
  readonly key: string;
}

/** A key as a page with values has it. */
interface ItemRow extends KeyRow {
  readonly value: string;
  readonly encoding: 'utf8' | 'base64';
  readonly contentType: string;
  readonly version: number;
  readonly expiresIn?: number;
}

interface Page<Row> {
  readonly keys: readonly Row[];
  /** What the next page goes on behind; `null` after the last. */
  readonly next: string | null;
}

/**
 * The keys, asked for page by page as they are taken: not at one instant, but one that is there all the time is met, and none twice.
 *
 * @throws InvalidRequest; Unavailable when a page does not come before its deadline; the reason of the signal.
 */
export function keysOf(caller: Caller, options: KeysOptions = {}): AsyncIterableIterator<string> {
  return rowsOf(caller, { options, values: false }, ({ key }: KeyRow) => key);
}

/** The same with their values. */
export function itemsOf(caller: Caller, options: KeysOptions = {}): AsyncIterableIterator<Item> {
  return rowsOf(caller, { options, values: true }, itemOf);
}

function itemOf({ key, value, encoding, contentType, version, expiresIn }: ItemRow): Item {
  const decoded = decodeValue({ value, encoding, contentType });
  return { key, value: decoded, version, contentType, expiresIn: expiresIn ?? null };
}

interface Asked {
  readonly options: KeysOptions;
  readonly values: boolean;
}

function rowsOf<Row extends KeyRow, T>(
  caller: Caller,
  asked: Asked,
  made: (row: Row) => T,
): AsyncIterableIterator<T> {
  return closingIterator(async function* (closed): AsyncGenerator<T, void, undefined> {
    const pages = new Pages<Row>(caller, asked, eitherSignal(closed, asked.options.signal));
    try {
      let page: readonly Row[] | null = await pages.first();
      for (; page !== null; page = await pages.next()) {
        for (const row of page) yield made(row);
      }
    } catch (error) {
      if (!closed.aborted) throw error;
    }
  });
}

/**
 * Fetches pages, from the second on each while the one before it is taken. The first is fetched alone: who takes no more than that
 * costs the node no other.
 */
class Pages<Row> {
  readonly #caller: Caller;
  readonly #asked: Asked;
  readonly #signal: AbortSignal;
  #after: string | null;
  #coming: Promise<Page<Row>> | null = null;

  constructor(caller: Caller, asked: Asked, signal: AbortSignal) {
    this.#caller = caller;
    this.#asked = asked;
    this.#signal = signal;
    this.#after = asked.options.after ?? null;
  }

  async first(): Promise<readonly Row[]> {
    return this.#take(await this.#fetch());
  }

  /** `null` after the last. */
  async next(): Promise<readonly Row[] | null> {
    if (this.#after === null) return null;
    const page = await (this.#coming ?? this.#fetch());
    const rows = this.#take(page);
    this.#coming = page.next === null ? null : this.#fetch();
    // Whoever takes the page hears of it; nobody may come for it.
    this.#coming?.catch(() => {});
    return rows;
  }

  #take({ keys, next }: Page<Row>): readonly Row[] {
    this.#after = next;
    return keys;
  }

  async #fetch(): Promise<Page<Row>> {
    const call = { intent: 'read', method: 'GET', path: pathOf(this.#asked, this.#after) } as const;
    const { deadlineMs } = this.#asked.options;
    const options: CallOptions = {
      signal: this.#signal,
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
    };
    const answer = await this.#caller.request(call, options);
    if (answer.status !== 200) throw refusalOf(answer);
    return pageOf(answer);
  }
}

function pathOf({ options, values }: Asked, after: string | null): string {
  const { prefix = '', pageSize = PAGE_KEYS_DEFAULT } = options;
  if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > PAGE_KEYS_MAX) {
    throw new InvalidRequest('BAD_PARAMETER', `pageSize is ${pageSize}; give 1 to ${PAGE_KEYS_MAX}`);
  }
  const parts = [`limit=${pageSize}`];
  if (prefix !== '') parts.push(`prefix=${encoded(prefix, 'prefix')}`);
  if (after !== null) parts.push(`after=${encoded(after, 'after')}`);
  if (values) parts.push('values=true');
  return `/keys?${parts.join('&')}`;
}

function encoded(text: string, name: string): string {
  if (text.isWellFormed()) return encodeURIComponent(text);
  throw new InvalidRequest(
    'BAD_KEY',
    `${name} ${JSON.stringify(text)} holds half a surrogate pair, which no key can: leave it out`,
  );
}

function pageOf<Row>(answer: Answer): Page<Row> {
  const page = jsonOf(answer);
  if (isPage<Row>(page)) return page;
  throw new CatenaError(
    'BAD_ANSWER',
    'GET /keys was answered with no page of keys: is it catena that listens there?',
  );
}

function isPage<Row>(page: unknown): page is Page<Row> {
  return (
    typeof page === 'object' &&
    page !== null &&
    'keys' in page &&
    Array.isArray(page.keys) &&
    'next' in page &&
    (page.next === null || typeof page.next === 'string')
  );
}

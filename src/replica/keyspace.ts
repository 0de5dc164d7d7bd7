import { assert, defined } from '../base/assert.ts';
import type { Seq } from '../base/ids.ts';
import { compareUtf8, utf8Length } from '../base/utf8.ts';
import type { StoredRecord, Value } from '../protocol/command.ts';
import { ChangeLog } from './change-log.ts';
import { DueIndex } from './expiry.ts';
import { SortedTree } from './sorted-tree.ts';

/** What a key costs beside its own bytes and its value's, in bytes, as `limits.storeBytes` counts it. */
export const KEY_OVERHEAD_BYTES = 64;
/** Content types held once however many keys have them; later ones are held per key. */
const CONTENT_TYPES_MAX = 1024;
/** Most keys in a node of the tree: the first write to a node after a snapshot copies it. */
const NODE_KEYS_MAX = 64;

/** What a key holds: a `StoredRecord` without the object within it, which a million keys would pay 32 MB for. */
export interface Held {
  readonly bytes: string;
  readonly contentType: string;
  readonly version: Seq;
  readonly expiresAtMs: number | null;
}

/** A key and what it holds. */
export interface KeyedRecord {
  readonly key: string;
  readonly record: StoredRecord;
}

/** A page of keys in the order of their UTF-8 bytes. */
export interface Page {
  readonly keys: readonly KeyedRecord[];
  /** The last key of the page if more follow, else `null`. */
  readonly next: string | null;
}

interface Change {
  readonly key: string;
  readonly from: Held | undefined;
  readonly to: Held | undefined;
}

/** Keys and their records in the order of the keys' UTF-8 bytes, with what they weigh and when they expire. */
export class Keyspace {
  /** No key holds a surrogate or a character above them: then `<` orders keys by their bytes too, in half the time. */
  #plain = true;
  readonly #tree = new SortedTree<string, Held>(
    undefined,
    (a, b) => (this.#plain ? comparePlain(a, b) : compareUtf8(a, b)),
    NODE_KEYS_MAX,
  );
  readonly #due = new DueIndex();
  readonly #contentTypes = new Map<string, string>();
  /** What was done to values, for those who watch. */
  readonly log: ChangeLog;
  #bytes = 0;
  /** What was changed since `begin`, in order; `null` outside. */
  #changes: Change[] | null = null;
  /** Where the log stood at `begin`. */
  #logged = 0;

  constructor(log = new ChangeLog()) {
    this.log = log;
  }

  get size(): number {
    return this.#tree.size;
  }

  /** What all keys weigh, as `limits.storeBytes` counts it. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The earliest expiry held, in log time (ms), or `null`. */
  get nextExpiryMs(): number | null {
    return this.#due.nextMs;
  }

  get(key: string): Held | undefined {
    return this.#tree.get(key);
  }

  /** Gives `key` another value, `undefined` standing for none, and logs it. `from` is what `get` gives for it now. */
  change(key: string, from: Held | undefined, to: Held | undefined): void {
    this.log.note(key, to);
    this.replace(key, from, to);
  }

  /** As `change`, where the value stays what it is, or is what it was when those who watch began: nothing is logged. */
  replace(key: string, from: Held | undefined, to: Held | undefined): void {
    this.#changes?.push({ key, from, to });
    if (to === undefined) {
      assert(from !== undefined, () => `${JSON.stringify(key)} is to go, and is not held`);
      this.#tree.delete(key);
    } else {
      if (from === undefined && this.#plain) this.#plain = !/[\ud800-\uffff]/.test(key);
      const added = this.#tree.set(key, to);
      assert(
        added === (from === undefined),
        () => `${JSON.stringify(key)} was changed from what it did not hold`,
      );
    }
    this.#reschedule(key, from?.expiresAtMs ?? null, to?.expiresAtMs ?? null);
    this.#bytes += weightOf(key, to) - weightOf(key, from);
  }

  /** Removes keys that are due at `nowMs`, earliest first, at most `limit` of them. */
  removeDue(nowMs: number, limit: number): void {
    for (const key of this.#due.due(nowMs, limit)) this.change(key, this.get(key), undefined);
  }

  /** Starts to note changes, until `keep` or `undo`. */
  begin(): void {
    assert(this.#changes === null, () => 'a transaction within a transaction');
    this.#changes = [];
    this.#logged = this.log.end;
  }

  keep(): void {
    this.#endTransaction();
  }

  /** Takes back every change since `begin`. */
  undo(): void {
    for (const { key, from, to } of this.#endTransaction().reverse()) this.replace(key, to, from);
    this.log.takeBack(this.#logged);
  }

  page({ prefix, after, limit }: { prefix: string; after: string | null; limit: number }): Page {
    assert(limit > 0, () => `a page of ${limit} keys`);
    const from = after === null || compareUtf8(after, prefix) < 0 ? prefix : after;
    const keys: KeyedRecord[] = [];
    for (const [key, held] of this.#tree.entries(from)) {
      if (key === after) continue;
      if (!key.startsWith(prefix)) break;
      if (keys.length === limit)
        return { keys, next: defined(keys.at(-1), () => 'the last key of a page').key };
      keys.push({ key, record: recordOf(held) });
    }
    return { keys, next: null };
  }

  /** Everything under `prefix` as it is now, unaffected by later changes. O(1), and O(log n) to begin to read. */
  view(prefix: string): Iterable<KeyedRecord> {
    const tree = this.#tree.clone();
    return { [Symbol.iterator]: () => walk(tree, prefix) };
  }

  /** What to change a key to: always of one shape, and with a content type that is held once. */
  hold({ bytes, contentType }: Value, version: Seq, expiresAtMs: number | null): Held {
    return { bytes, contentType: this.#intern(contentType), version, expiresAtMs };
  }

  #endTransaction(): Change[] {
    const changes = defined(this.#changes, () => 'a transaction');
    this.#changes = null;
    return changes;
  }

  #reschedule(key: string, fromMs: number | null, toMs: number | null): void {
    if (fromMs === toMs) return;
    if (fromMs !== null) this.#due.remove(key, fromMs);
    if (toMs !== null) this.#due.add(key, toMs);
  }

  #intern(contentType: string): string {
    const known = this.#contentTypes.get(contentType);
    if (known !== undefined) return known;
    if (this.#contentTypes.size < CONTENT_TYPES_MAX) this.#contentTypes.set(contentType, contentType);
    return contentType;
  }
}

/** The record that is handed out for what is held. */
export function recordOf({ bytes, contentType, version, expiresAtMs }: Held): StoredRecord {
  return { value: { bytes, contentType }, version, expiresAtMs };
}

/** What a key that holds this counts for in `limits.storeBytes`, in bytes. */
function weightOf(key: string, held: Held | undefined): number {
  if (held === undefined) return 0;
  return utf8Length(key) + held.bytes.length + held.contentType.length + KEY_OVERHEAD_BYTES;
}

/** `compareUtf8` where neither text, or only one that is looked for, has units from U+D800 up. */
function comparePlain(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function* walk(tree: SortedTree<string, Held>, prefix: string): Generator<KeyedRecord, undefined> {
  for (const [key, held] of tree.entries(prefix)) {
    if (!key.startsWith(prefix)) return;
    yield { key, record: recordOf(held) };
  }
}

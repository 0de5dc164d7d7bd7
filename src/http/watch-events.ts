import type { Seq } from '../base/ids.ts';
import type { Change, RecentChanges } from '../protocol/change.ts';
import type { Refusal } from './problem.ts';
import { describe } from './value-format.ts';

/** What is sent in one go, in characters; the event that goes beyond it goes whole. */
const SLICE_CHARACTERS = 65_536;
/** How many changes are looked at in one go. */
const SLICE_CHANGES_MAX = 10_000;
/** A browser that lost its stream waits so long before it asks again, in ms. */
const RETRY_MS = 1000;
/** Slices that are kept for the others who stand at the same place. */
const SLICES_MAX = 64;

/** Where a reader stands among the changes. */
export interface Cursor {
  /** What it looks at next. */
  readonly place: number;
  /** A change that it has looked at and not sent: it is not known yet whether it is the last of its entry. */
  readonly pending: number | null;
}

/** What comes next at a place, for all who watch the same prefix from there. */
export interface Slice {
  /** `null` when nothing there is to be shown. */
  readonly bytes: Buffer | null;
  readonly next: Cursor;
  /** The last id in it: what a reader of it has whole. */
  readonly id: Seq | null;
  /** Readers whose connections hold on to it. */
  holders: number;
}

/** The slices taken of late, so that a thousand readers of the same cost one. */
export class Slices {
  readonly #taken = new Map<string, Slice>();
  #of: RecentChanges | null = null;

  /** What is to be shown of the changes from the cursor on; each place before it is held. */
  take(changes: RecentChanges, prefix: string, cursor: Cursor): Slice {
    if (changes !== this.#of || this.#taken.size >= SLICES_MAX) this.#taken.clear();
    this.#of = changes;
    const name = `${cursor.place} ${cursor.pending} ${prefix}`;
    let slice = this.#taken.get(name);
    if (slice === undefined) {
      slice = takeSlice(changes, prefix, cursor);
      this.#taken.set(name, slice);
    }
    return slice;
  }

  clear(): void {
    this.#taken.clear();
    this.#of = null;
  }
}

/** Only the last change that is shown of an entry has an id: who resumes behind it misses nothing, and gets nothing twice. */
function takeSlice(changes: RecentChanges, prefix: string, { place, pending }: Cursor): Slice {
  const until = Math.min(changes.end, place + SLICE_CHANGES_MAX);
  let text = '';
  let id: Seq | null = null;
  const send = (isLast: boolean): void => {
    if (pending === null) return;
    const change = changes.at(pending);
    if (isLast) id = change.version;
    text += eventText(change, isLast);
    pending = null;
  };
  while (place < until && text.length < SLICE_CHARACTERS) {
    if (pending !== null && changes.versionAt(pending) !== changes.versionAt(place)) send(true);
    if (changes.keyAt(place).startsWith(prefix)) {
      send(false);
      pending = place;
    }
    place += 1;
  }
  // Entries are added whole.
  if (place === changes.end) send(true);
  return { bytes: text === '' ? null : Buffer.from(text), next: { place, pending }, id, holders: 0 };
}

function eventText(change: Change, isLast: boolean): string {
  const { kind, key, version } = change;
  const data = kind === 'set' ? { key, version, ...describe(change.value) } : { key, version };
  const id = isLast ? `id: ${version}\n` : '';
  return `event: ${kind}\n${id}data: ${JSON.stringify(data)}\n\n`;
}

/** What a stream begins with: from where on it shows what changes, for those that are cut before anything does. */
export function firstWords(from: Seq): string {
  return `retry: ${RETRY_MS}\n${positionWords(from)}`;
}

/** Says that everything up to here was shown, or was not to be shown. No event, but a place to resume from. */
export function positionWords(at: Seq): string {
  return `: all up to ${at}\nid: ${at}\n\n`;
}

/** Says that the connection is alive. */
export const ALIVE = ':\n\n';

/** The last words of a stream whose reader did nothing wrong. */
export function farewell(reason: string): string {
  return `: ${reason.replace(/\s+/g, ' ')}; resume at another node, with Last-Event-ID\n\n`;
}

/** The last event of a reader that is cut off: a problem, as the answer to a request has it. */
export function errorEvent(refusal: Refusal): string {
  return `event: error\ndata: ${JSON.stringify(refusal.problem())}\n\n`;
}

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Seq } from '../base/ids.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { Watch } from '../runtime/node-service.ts';
import { Refusal } from './problem.ts';
import {
  ALIVE,
  type Cursor,
  errorEvent,
  farewell,
  firstWords,
  positionWords,
  type Slice,
  type Slices,
} from './watch-events.ts';

/** Something is sent at least so often, so that whatever lies between knows the connection to be alive. */
const ALIVE_MS = 15_000;
/**
 * The same where the reader has closed its side: it may listen all the same, and only what is sent shows that nobody is
 * there.
 */
const DOUBT_MS = 1000;
/** So often a reader to whom nothing was shown is told how far it has come. */
const POSITION_MS = 1000;
/**
 * A reader that takes nothing for so long is cut: before the connection would be for being idle, and late enough for one
 * that takes 100 KiB/s, of which the system may say nothing for 10 s.
 */
const STALL_MS = 45_000;
/** For so long the last words wait to be taken. */
const LAST_WORDS_MS = 5000;

/** What a watcher tells the one that looks after all of them. */
export interface WatcherHost {
  readonly clock: Clock;
  readonly slices: Slices;
  /** It takes more now. */
  ready(watcher: Watcher): void;
  /** Its connection holds on to a slice, or lets go of it. */
  holds(slice: Slice): void;
  lets(slice: Slice): void;
  /** Its connection is closed. */
  gone(watcher: Watcher): void;
}

/** One reader of committed changes, which gets them as fast as it takes them, and is cut when it is too slow. */
export class Watcher {
  readonly #response: ServerResponse;
  readonly #watch: Watch;
  readonly #prefix: string;
  readonly #host: WatcherHost;
  #cursor: Cursor;
  /** Up to here its reader has everything, and knows it. */
  #told: Seq;
  #sentMs: number;
  /** What waits to be taken, and since when, by the monotonic clock; `null` when nothing does. */
  #stalled: { readonly sinceMs: number; readonly slice: Slice | null } | null = null;
  #over = false;
  #aliveMs = ALIVE_MS;
  #cancel: Cancel = () => {};

  /** `from`: what comes after it is shown. The head of the answer has been written. */
  constructor(
    {
      response,
      socket,
      watch,
      prefix,
      from,
    }: { response: ServerResponse; socket: Socket; watch: Watch; prefix: string; from: Seq },
    host: WatcherHost,
  ) {
    this.#response = response;
    this.#watch = watch;
    this.#prefix = prefix;
    this.#host = host;
    this.#told = from;
    this.#cursor = { place: watch.changes.placeAfter(from), pending: null };
    this.#sentMs = this.#nowMs();
    response.on('drain', () => this.#drained());
    // Not that of the response, which hears nothing while it waits for the answers before it on its connection.
    socket.once('close', () => this.#closed());
    socket.once('end', () => {
      this.#aliveMs = DOUBT_MS;
    });
    this.#write(firstWords(from), null);
  }

  /** How long its reader has taken nothing, in ms; 0 when it takes what comes, and when it is cut already. */
  stalledMs(nowMs: number): number {
    return this.#stalled === null || this.#over ? 0 : nowMs - this.#stalled.sinceMs;
  }

  /** Sends the next slice. `true`: there is more, and it takes more. */
  pump(): boolean {
    if (this.#over || this.#stalled !== null) return false;
    const { changes } = this.#watch;
    const { place, pending } = this.#cursor;
    if ((pending ?? place) < changes.start) {
      this.cut(fellBehind(this.#told, changes.oldest));
      return false;
    }
    if (place === changes.end) return false;
    const slice = this.#host.slices.take(changes, this.#prefix, this.#cursor);
    this.#cursor = slice.next;
    if (slice.id !== null) this.#told = slice.id;
    if (slice.bytes !== null) this.#write(slice.bytes, slice);
    return this.#stalled === null && this.#cursor.place < changes.end;
  }

  /** To be called every second. */
  look(nowMs: number): void {
    if (this.#over) return;
    if (this.stalledMs(nowMs) >= STALL_MS) return this.cut(tookNothing());
    if (this.#stalled !== null) return;
    const { changes } = this.#watch;
    const quietMs = nowMs - this.#sentMs;
    if (this.#cursor.place === changes.end && this.#told < changes.committed && quietMs >= POSITION_MS) {
      this.#told = changes.committed;
      this.#write(positionWords(this.#told), null);
    } else if (quietMs >= this.#aliveMs) this.#write(ALIVE, null);
  }

  /** Ends it: this node has nothing more to show. */
  end(reason: string): void {
    this.pump();
    this.#finish(farewell(reason), 'left', LAST_WORDS_MS);
  }

  /** Ends it as its reader is too slow: it is told, if it takes that within `lastWordsMs`. */
  cut(why: Refusal, lastWordsMs = LAST_WORDS_MS): void {
    this.#finish(errorEvent(why), 'cut', lastWordsMs);
  }

  #finish(words: string, how: 'left' | 'cut', lastWordsMs: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#watch.close(how);
    this.#response.end(words);
    this.#cancel = this.#host.clock.after(lastWordsMs, () => this.#response.destroy());
  }

  #write(what: string | Buffer, slice: Slice | null): void {
    if (this.#response.destroyed) return;
    this.#sentMs = this.#nowMs();
    if (this.#response.write(what)) return;
    this.#stalled = { sinceMs: this.#sentMs, slice };
    if (slice !== null) this.#host.holds(slice);
  }

  #drained(): void {
    this.#letGo();
    if (!this.#over) this.#host.ready(this);
  }

  #closed(): void {
    this.#over = true;
    this.#cancel();
    this.#letGo();
    this.#watch.close('left');
    this.#host.gone(this);
  }

  #letGo(): void {
    const slice = this.#stalled?.slice ?? null;
    this.#stalled = null;
    if (slice !== null) this.#host.lets(slice);
  }

  #nowMs(): number {
    return this.#host.clock.now().monotonicMs;
  }
}

function fellBehind(told: Seq, oldest: Seq): Refusal {
  return new Refusal(
    'GONE',
    `this reader is behind what this node still holds: the changes after ${told} up to ${oldest} are no longer here; read what you need (GET /export), then watch from there`,
    { members: { since: told, oldest } },
  );
}

function tookNothing(): Refusal {
  return new Refusal(
    'OVERLOADED',
    `this reader took nothing for ${STALL_MS} ms; resume with Last-Event-ID, and read faster`,
  );
}

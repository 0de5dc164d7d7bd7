import type { Socket } from 'node:net';
import type { Seq } from '../base/ids.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { RecentChanges } from '../protocol/change.ts';
import type { NodeService, Watch, WatchListener } from '../runtime/node-service.ts';
import { CallerGone } from './body.ts';
import type { Exchange } from './exchange.ts';
import { Refusal } from './problem.ts';
import { badParameter } from './query.ts';
import { type Slice, Slices } from './watch-events.ts';
import { Watcher, type WatcherHost } from './watcher.ts';

/** How long a watch waits for a version that this node has not come to yet: as long as a read. */
const REACH_MS = 1000;
/** How long the watchers are served in one go before others have their turn, in ms. */
const TURN_MS = 4;
const LOOK_MS = 1000;
/** What may wait for slow readers in memory, in bytes; beyond it the slowest are cut. */
const WAITING_BYTES_MAX = 67_108_864;
/** A reader that took nothing for less than this is not slow, in ms. */
const SLOW_MS = 1000;
/** For so long a reader that is cut to save memory may take the rest, in ms. */
const BRIEF_MS = 100;

const HEADERS = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store',
  // A proxy is not to gather what is meant to be heard at once.
  'X-Accel-Buffering': 'no',
  // So that the connection ends with the stream: nobody waits for it when the node stops.
  Connection: 'close',
};

/** What a watch asks for; `since` is `null` for from now on. */
export interface WatchQuery {
  readonly prefix: string;
  readonly since: Seq | null;
}

/** Streams committed changes to those who watch, each as fast as it reads, and all of them in turns. */
export class Watches implements WatcherHost {
  readonly clock: Clock;
  readonly slices = new Slices();
  readonly #watchers = new Set<Watcher>();
  /** Those for whom there may be more, in the order in which they get it. */
  readonly #due = new Set<Watcher>();
  #waitingBytes = 0;
  #closed: string | null = null;
  #working = false;
  /** Takes back the next look; `null` while nobody is to be looked after. */
  #cancelLook: Cancel | null = null;

  constructor({ clock }: { clock: Clock }) {
    this.clock = clock;
  }

  /**
   * Begins to stream, in the turn in which the node said that it can be watched, or once it has come to `since`.
   *
   * @throws Refusal OVERLOADED, GONE, NOT_READY, BAD_PARAMETER; CallerGone.
   */
  async answer(exchange: Exchange, service: NodeService, { prefix, since }: WatchQuery): Promise<void> {
    if (this.#closed !== null) throw new Refusal('NOT_READY', `${this.#closed}; watch at another node`);
    const ear = new Ear();
    const watch = service.watch(ear);
    if (watch === null) {
      throw new Refusal('OVERLOADED', 'as many watch here as may; watch at another node, or try again later');
    }
    try {
      if (since !== null) await this.#reach(since, { watch, ear, socket: exchange.request.socket });
      this.#begin(exchange, { watch, ear, prefix, from: startOf(watch.changes, since) });
    } catch (error) {
      watch.close('left');
      throw error;
    }
  }

  /** Ends them all, in order, and takes no more. */
  close(reason: string): void {
    this.#closed = reason;
    for (const watcher of this.#watchers) watcher.end(reason);
  }

  #begin(exchange: Exchange, { ear, ...of }: { ear: Ear; watch: Watch; prefix: string; from: Seq }): void {
    const { request, response } = exchange;
    if (request.socket.destroyed) throw new CallerGone('the reader went away');
    exchange.begin(200, HEADERS);
    const watcher = new Watcher({ response, socket: request.socket, ...of }, this);
    this.#watchers.add(watcher);
    ear.hand({ changed: () => this.ready(watcher), ended: (reason) => watcher.end(reason) });
    this.ready(watcher);
    this.#lookLater();
  }

  /** Waits until this node has come to `since`: who resumes at another member may be ahead of it. */
  async #reach(
    since: Seq,
    { watch, ear, socket }: { watch: Watch; ear: Ear; socket: Socket },
  ): Promise<void> {
    const untilMs = this.clock.now().monotonicMs + REACH_MS;
    while (watch.changes.committed < since) {
      const { committed } = watch.changes;
      if (watch.isNewest()) throw fromTheFuture(since, committed);
      const leftMs = untilMs - this.clock.now().monotonicMs;
      if (leftMs <= 0) throw notReached(since, committed);
      await this.#news(ear, socket, leftMs);
      if (socket.destroyed) throw new CallerGone('the reader went away');
      if (ear.endedFor !== null) throw new Refusal('NOT_READY', `${ear.endedFor}; watch at another node`);
    }
  }

  #news(ear: Ear, socket: Socket, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        socket.off('close', end);
        resolve();
      };
      const cancel = this.clock.after(waitMs, end);
      socket.once('close', end);
      ear.hand({ changed: end, ended: end });
    });
  }

  // --- for the watchers

  ready(watcher: Watcher): void {
    this.#due.add(watcher);
    this.#workLater();
  }

  holds(slice: Slice): void {
    if (slice.holders === 0) this.#waitingBytes += sizeOf(slice);
    slice.holders += 1;
    this.#saveMemory();
  }

  lets(slice: Slice): void {
    slice.holders -= 1;
    if (slice.holders === 0) this.#waitingBytes -= sizeOf(slice);
  }

  gone(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    this.#due.delete(watcher);
    if (this.#watchers.size > 0) return;
    this.#cancelLook?.();
    this.#cancelLook = null;
  }

  // --- in turns

  #workLater(): void {
    if (this.#working) return;
    this.#working = true;
    this.clock.defer(() => this.#work());
  }

  #work(): void {
    this.#working = false;
    const untilMs = this.clock.now().monotonicMs + TURN_MS;
    // One that is put back comes again behind all others.
    for (const watcher of this.#due) {
      this.#due.delete(watcher);
      if (watcher.pump()) this.#due.add(watcher);
      if (this.clock.now().monotonicMs >= untilMs) break;
    }
    if (this.#due.size > 0) this.#workLater();
    else this.slices.clear();
  }

  #lookLater(): void {
    if (this.#cancelLook !== null || this.#watchers.size === 0) return;
    this.#cancelLook = this.clock.after(LOOK_MS, () => {
      this.#cancelLook = null;
      const nowMs = this.clock.now().monotonicMs;
      for (const watcher of this.#watchers) watcher.look(nowMs);
      this.#saveMemory();
      this.#lookLater();
    });
  }

  /** Cuts one: what it held is free when its connection is closed. */
  #saveMemory(): void {
    if (this.#waitingBytes <= WAITING_BYTES_MAX) return;
    const nowMs = this.clock.now().monotonicMs;
    let slowest: Watcher | null = null;
    let slowestMs = SLOW_MS;
    for (const watcher of this.#watchers) {
      const stalledMs = watcher.stalledMs(nowMs);
      if (stalledMs > slowestMs) [slowest, slowestMs] = [watcher, stalledMs];
    }
    slowest?.cut(tooMuchWaits(), BRIEF_MS);
  }
}

/** Hears what a node says of its changes, for whoever listens at the moment. */
class Ear implements WatchListener {
  #ended: string | null = null;
  #to: WatchListener | null = null;

  /** Why nothing more will be said, if it was said that nothing will. */
  get endedFor(): string | null {
    return this.#ended;
  }

  hand(to: WatchListener): void {
    this.#to = to;
    if (this.#ended !== null) to.ended(this.#ended);
  }

  changed(): void {
    this.#to?.changed();
  }

  ended(reason: string): void {
    this.#ended = reason;
    this.#to?.ended(reason);
  }
}

/** Where a watch begins. @throws Refusal GONE. */
function startOf(changes: RecentChanges, since: Seq | null): Seq {
  if (since === null) return changes.committed;
  const { oldest } = changes;
  if (since >= oldest) return since;
  throw new Refusal(
    'GONE',
    `the changes after ${since} are no longer held here, those after ${oldest} are; read what you need (GET /export), then watch from there`,
    { members: { since, oldest } },
  );
}

function fromTheFuture(since: Seq, committed: Seq): Refusal {
  return badParameter(
    'since',
    `no change has version ${since} yet, the newest is ${committed}: if the store was made anew, read it anew, and watch without since`,
  );
}

function notReached(since: Seq, committed: Seq): Refusal {
  return new Refusal(
    'NOT_READY',
    `this node has come to version ${committed} and not yet to ${since}; try again in a moment, or at the tail, which knows whether there is such a version`,
    { members: { since, committed } },
  );
}

function tooMuchWaits(): Refusal {
  return new Refusal(
    'OVERLOADED',
    'too much waits in memory for slow readers, of which this is the slowest; resume with Last-Event-ID, and read faster',
  );
}

function sizeOf({ bytes }: Slice): number {
  return bytes?.length ?? 0;
}

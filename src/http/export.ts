import type { ServerResponse } from 'node:http';
import type { Clock } from '../ports/clock.ts';
import type { NodeService } from '../runtime/node-service.ts';
import { describeRecord } from './answers.ts';
import { CallerGone } from './body.ts';
import type { Exchange } from './exchange.ts';
import { Refusal } from './problem.ts';

/** What an export writes in one go, in characters, before it lets others have their turn. */
const SLICE_CHARACTERS = 65_536;
/** How many rows an export looks at in one go. */
const SLICE_ROWS = 256;
/** Exports under way at once on a node: each holds on to the store as it was when it began. */
const EXPORTS_MAX = 8;
/** What a reader is given to take in one go, in bytes: small, so that a slow one is seen to go on. */
const PIECE_BYTES = 16_384;
/**
 * A reader that takes nothing for so long is cut. Not shorter: the system says that there is room again only when a
 * third of a send buffer, which grows to 4 MiB, is free, so steady 100 KiB/s look like nothing for 10 s.
 */
const STALL_MS = 60_000;
/** A reader that takes fewer bytes in a second, while it is waited for, is cut after `GRACE_MS`. */
const BYTES_PER_SECOND_MIN = 16_384;
const GRACE_MS = 30_000;

/** Writes everything of an instant as JSON lines, as fast as the caller reads and no faster. */
export class Exports {
  readonly #clock: Clock;
  #underWay = 0;

  constructor({ clock }: { clock: Clock }) {
    this.#clock = clock;
  }

  /**
   * Takes its copy before it first waits.
   *
   * @throws Refusal OVERLOADED; CallerGone when the reader went away, or takes what it asked for too slowly.
   */
  async answer(exchange: Exchange, service: NodeService, prefix: string): Promise<void> {
    if (this.#underWay >= EXPORTS_MAX) {
      throw new Refusal(
        'OVERLOADED',
        `${EXPORTS_MAX} exports are under way here; try again when one is done`,
      );
    }
    this.#underWay++;
    const rows = service.entries(prefix)[Symbol.iterator]();
    const logTimeMs = service.logTimeMs();
    try {
      const sending = new Sending(exchange.response, this.#clock);
      exchange.begin(200, { 'Content-Type': 'application/x-ndjson' });
      for (let slice = takeSlice(rows, logTimeMs); slice !== ''; slice = takeSlice(rows, logTimeMs)) {
        await sending.write(slice);
      }
      exchange.response.end();
    } finally {
      rows.return?.();
      this.#underWay--;
    }
  }
}

/** The way of an export to its reader, who holds on to a copy of the store and must not do so for ever. */
class Sending {
  readonly #response: ServerResponse;
  readonly #clock: Clock;
  readonly #startedMs: number;
  #takenBytes = 0;
  /** For so long the reader was waited for: time that the node itself takes isn't laid to it. */
  #waitedMs = 0;

  constructor(response: ServerResponse, clock: Clock) {
    this.#response = response;
    this.#clock = clock;
    this.#startedMs = this.#nowMs();
  }

  /** Ends when the reader has taken all but what fits into the buffers, and others have had their turn. */
  async write(slice: string): Promise<void> {
    const bytes = Buffer.from(slice, 'utf8');
    for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
      const piece = bytes.subarray(from, from + PIECE_BYTES);
      if (this.#response.destroyed) throw new CallerGone('the reader went away');
      if (!this.#response.write(piece)) await this.#drained();
      this.#takenBytes += piece.length;
    }
    await new Promise<void>((resolve) => this.#clock.defer(resolve));
  }

  async #drained(): Promise<void> {
    const sinceMs = this.#nowMs();
    await new Promise<void>((resolve, reject) => {
      const response = this.#response;
      const end = (how: () => void) => (): void => {
        cancel();
        response.off('close', onClose).off('drain', onDrain);
        how();
      };
      const onDrain = end(resolve);
      const onClose = end(() => reject(new CallerGone('the reader went away')));
      const onStall = end(() => reject(new CallerGone(`the reader took nothing for ${STALL_MS} ms`)));
      const cancel = this.#clock.after(STALL_MS, onStall);
      response.on('close', onClose).on('drain', onDrain);
    });
    this.#waitedMs += this.#nowMs() - sinceMs;
    if (this.#isTooSlow()) throw new CallerGone('the reader takes the export too slowly');
  }

  #isTooSlow(): boolean {
    const least = (this.#waitedMs / 1000) * BYTES_PER_SECOND_MIN;
    return this.#nowMs() - this.#startedMs >= GRACE_MS && this.#takenBytes < least;
  }

  #nowMs(): number {
    return this.#clock.now().monotonicMs;
  }
}

type Rows = Iterator<ReturnType<NodeService['entries']> extends Iterable<infer Row> ? Row : never>;

/** The next lines; empty after the last. */
function takeSlice(rows: Rows, logTimeMs: number): string {
  let slice = '';
  for (let count = 0; count < SLICE_ROWS && slice.length < SLICE_CHARACTERS; count++) {
    const row = rows.next();
    if (row.done === true) break;
    const { key, record } = row.value;
    slice += `${JSON.stringify({ key, ...describeRecord(record, logTimeMs) })}\n`;
  }
  return slice;
}

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
   * @throws Refusal OVERLOADED; CallerGone when the reader went away.
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
      exchange.begin(200, { 'Content-Type': 'application/x-ndjson' });
      for (let slice = takeSlice(rows, logTimeMs); slice !== ''; slice = takeSlice(rows, logTimeMs)) {
        await this.#write(exchange, slice);
      }
      exchange.response.end();
    } finally {
      rows.return?.();
      this.#underWay--;
    }
  }

  #write({ response }: Exchange, slice: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const gone = (): void => reject(new CallerGone('the reader went away'));
      if (response.destroyed) return gone();
      response.once('close', gone);
      const goOn = (): void => {
        response.off('close', gone);
        resolve();
      };
      if (response.write(slice)) this.#clock.defer(goOn);
      else response.once('drain', goOn);
    });
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

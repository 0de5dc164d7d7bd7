import { CatenaError } from '../base/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Store } from '../replica/store.ts';
import type { Storage } from '../storage/storage.ts';

/** Has a snapshot of the store written when one is due, one at a time, while writes go on. */
export class Snapshots {
  readonly #deps: { clock: Clock; logger: Logger; crash: (error: unknown) => void };
  #underWay = false;

  constructor(deps: { clock: Clock; logger: Logger; crash: (error: unknown) => void }) {
    this.#deps = deps;
  }

  /** Returns at once. A failure leaves the log and the snapshot before in force. */
  takeIfDue(storage: Storage, store: Store): void {
    if (this.#underWay || !storage.snapshotDue()) return;
    this.#underWay = true;
    this.#take(storage, store).then(
      () => {
        this.#underWay = false;
      },
      (error: unknown) => {
        this.#underWay = false;
        if (!(error instanceof CatenaError)) return this.#deps.crash(error);
        this.#deps.logger.error({ reason: error.message }, 'a snapshot failed; the log is kept');
      },
    );
  }

  async #take(storage: Storage, store: Store): Promise<void> {
    const { clock, logger } = this.#deps;
    const startedMs = clock.now().monotonicMs;
    const source = store.snapshot();
    if (!(await storage.snapshot(source))) return;
    const { seq, keys } = source.header;
    logger.info({ seq, keys, ms: Math.round(clock.now().monotonicMs - startedMs) }, 'wrote a snapshot');
  }
}

import { type Epoch, NO_EPOCH } from '../base/ids.ts';
import type { Now } from '../base/now.ts';
import type { Replica } from '../replica/replica.ts';

/** Tells when something of a replica has changed that others wait for. Looked at after every event, so it builds nothing. */
export class Changes {
  #epoch: Epoch = NO_EPOCH;
  /** A bit for each thing that the coordinator wants to know of at once. */
  #told = 0;
  #serves = false;

  /** `news`: the coordinator waits for it; `some`: requests do. A lease that comes and goes is no news. */
  look(replica: Replica, now: Now): 'none' | 'some' | 'news' {
    const epoch = replica.configuration?.epoch ?? NO_EPOCH;
    const told =
      Number(replica.active) +
      Number(replica.ready) * 2 +
      Number(replica.stopped) * 4 +
      Number(replica.readOnly !== null) * 8 +
      Number(replica.broken !== null) * 16;
    const serves = replica.servesReads(now);
    const isNews = this.#epoch !== epoch || this.#told !== told;
    if (!isNews && this.#serves === serves) return 'none';
    this.#epoch = epoch;
    this.#told = told;
    this.#serves = serves;
    return isNews ? 'news' : 'some';
  }
}

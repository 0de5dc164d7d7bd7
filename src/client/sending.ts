import type { Call } from './caller.ts';
import { DEADLINE_PASSED, type Ending } from './deadline.ts';
import { CatenaError, OutcomeUnknown, Unavailable } from './errors.ts';

/** What is known of a request's fate, over all its tries. A read has no effect, so there is never a doubt of it. */
export class Sending {
  readonly intent: Call['intent'];
  /** The id of a write under which all its tries go out. */
  readonly requestId: string;
  /** What the last try failed of. */
  last: Error | undefined;
  #doubtful = false;
  #underWay = false;
  #tries = 0;
  #quietTries = 0;

  constructor({ intent, requestId }: { readonly intent: Call['intent']; readonly requestId: string }) {
    this.intent = intent;
    this.requestId = requestId;
  }

  /** Whether it may have taken effect, or may yet. Once that is so, only an answer that comes of applying it says otherwise. */
  get inDoubt(): boolean {
    return this.intent === 'write' && (this.#doubtful || this.#underWay);
  }

  /** How many tries met with silence. */
  get quietTries(): number {
    return this.#quietTries;
  }

  metSilence(): void {
    this.#quietTries += 1;
  }

  begins(): void {
    this.#underWay = true;
    this.#tries += 1;
  }

  /** A try is over. `maybe`: it may have had an effect. */
  ends(effect: 'none' | 'maybe'): void {
    this.#underWay = false;
    if (effect === 'maybe') this.#doubtful = true;
  }

  /** The error of a call that ended before it was answered. */
  endedBy(ending: Pick<Ending, 'reason' | 'deadline'>): unknown {
    const { reason, deadline } = ending;
    const late = reason === DEADLINE_PASSED;
    const closed = reason instanceof CatenaError && reason.code === 'CLOSED';
    if (!late && !(closed && this.inDoubt)) return reason;
    const when = late ? `within ${deadline.ms} ms` : 'before the client was closed';
    const tries = this.#tries === 0 ? '' : `${this.#tries} tries; at last: `;
    const why = this.last === undefined ? '' : ` (${tries}${this.last.message})`;
    if (this.inDoubt) return this.unknown(`it was not answered ${when}${why}`);
    const what = this.intent === 'write' ? 'write had no effect: it' : 'read';
    return new Unavailable(
      `the ${what} was not answered ${when}${why}. Try again; if that goes on, see whether the cluster runs and is reached from here (catena doctor)`,
      { cause: this.last },
    );
  }

  /** The error of a write that may have taken effect, for a reason in words. */
  unknown(reason: string, cause: unknown = this.last): OutcomeUnknown {
    return new OutcomeUnknown(
      `the write may have taken effect, or may yet: ${reason}. Read what it was to change before it is made again under another id`,
      { requestId: this.requestId, cause },
    );
  }
}

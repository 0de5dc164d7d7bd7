import type { Answer } from './caller.ts';
import type { CatenaErrorCode } from './errors.ts';
import { codeOf, problemOf, refusalOf } from './problem.ts';
import type { Sending } from './sending.ts';
import { TryFailed } from './try-failed.ts';

/** What applying a write gave: the outcome of all its tries, since a later one is told what the first gave. */
const OUTCOMES: ReadonlySet<CatenaErrorCode> = new Set([
  'KEY_NOT_FOUND',
  'PRECONDITION_FAILED',
  'NOT_AN_INTEGER',
  'OUT_OF_RANGE',
  'REQUEST_ID_REUSED',
]);
/** What a node says before a write has had any effect. */
const WITHOUT_EFFECT: ReadonlySet<CatenaErrorCode> = new Set([
  'OVERLOADED',
  'NOT_READY',
  'RECOVERING',
  'BROKEN',
  'FORWARD_FAILED',
  'STORE_FULL',
  'READ_ONLY',
]);
/** A head whose disk takes no more is replaced within so long if it ever is, in ms. */
const READ_ONLY_MS = 2000;
/** A pause that a node asks for counts up to this, in ms. */
const RETRY_AFTER_MS_MAX = 5000;

/**
 * What an answer to a try means for its request: returned, it is the answer. `sending` learns what it says of the write's fate.
 *
 * @throws TryFailed when another try may give an answer; CatenaError when none will.
 */
export function verdictOn(
  answer: Answer,
  {
    sending,
    from,
    elapsedMs,
  }: { readonly sending: Sending; readonly from: string; readonly elapsedMs: number },
): Answer {
  if (answer.headers.get('catena-node') === null) {
    sending.ends('maybe');
    throw failed(`${from} answered ${answer.status}, and not as a node of catena does`, answer);
  }
  if (answer.status < 300 || answer.status === 304) {
    sending.ends('none');
    return answer;
  }
  const problem = problemOf(answer);
  const code = problem === null ? '' : codeOf(problem);
  const text = `${from} said ${answer.status}: ${problem?.detail ?? 'no reason is known'}`;
  sending.ends(answer.status >= 500 && !WITHOUT_EFFECT.has(code) ? 'maybe' : 'none');
  if (code === 'REQUEST_ID_EXPIRED' && sending.intent === 'write') {
    throw sending.unknown(`its outcome is no longer remembered; ${text}`, refusalOf(answer));
  }
  if (OUTCOMES.has(code)) return answer;
  if (answer.status === 408 || sending.inDoubt) throw failed(text, answer);
  if (answer.status < 500) return answer;
  const full = code === 'STORE_FULL' || (code === 'READ_ONLY' && elapsedMs > READ_ONLY_MS);
  if (full) throw refusalOf(answer);
  throw failed(text, answer, code);
}

function failed(text: string, answer: Answer, code: CatenaErrorCode = ''): TryFailed {
  return new TryFailed(text, {
    // The other reasons for a 503 come after the node has waited: the chain is about to change, or another node is to be asked.
    retryAfterMs: code === 'OVERLOADED' ? retryAfterMs(answer) : 0,
    costs: true,
    chainMayDiffer: code !== 'OVERLOADED',
  });
}

function retryAfterMs({ headers }: Answer): number {
  const seconds = Number(headers.get('retry-after') ?? 0);
  return seconds > 0 ? Math.min(seconds * 1000, RETRY_AFTER_MS_MAX) : 0;
}

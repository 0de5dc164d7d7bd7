import { messageOf } from '../base/errors.ts';

const ANSWER_MS_MAX = 1000;

/** Why a process does not serve yet, in words; `null` when it does. */
export async function whyNotReady(url: string): Promise<string | null> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    const text = await response.text();
    return response.ok ? null : reasonIn(text);
  } catch (error) {
    // What fetch throws says "fetch failed", and why in its cause.
    return error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error);
  }
}

/** The server says it in a problem document (RFC 9457). */
function reasonIn(text: string): string {
  try {
    const problem: unknown = JSON.parse(text);
    if (typeof problem === 'object' && problem !== null && 'detail' in problem) return String(problem.detail);
  } catch {
    // Then it is the text itself.
  }
  return text.trim();
}

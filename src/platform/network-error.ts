import { messageOf } from '../base/errors.ts';
import { errnoOf } from './disk-error.ts';

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused: nothing listens there',
  ECONNRESET: 'the other end broke the connection',
  EPIPE: 'the other end broke the connection',
  ETIMEDOUT: 'the other end did not answer in time',
  EHOSTUNREACH: 'the host can not be reached',
  ENETUNREACH: 'the network can not be reached',
  ENOTFOUND: 'no such host name',
  EAI_AGAIN: 'the name server did not answer',
};

/** Why a connection failed, in words that end a sentence. */
export function reasonOf(error: unknown): string {
  // A name with several addresses fails with one error for each.
  if (isAggregate(error)) return [...new Set(error.errors.map(reasonOf))].join(', ');
  const errno = errnoOf(error);
  const words = WORDS[errno ?? ''];
  return words === undefined ? messageOf(error) : `${words} (${errno})`;
}

/** The codes of Node that a failure comes down to, such as `ECONNREFUSED`: several for a name with several addresses. */
export function errnosOf(error: unknown): readonly string[] {
  if (isAggregate(error)) return error.errors.flatMap(errnosOf);
  const errno = errnoOf(error);
  return errno === undefined ? [] : [errno];
}

function isAggregate(error: unknown): error is { errors: unknown[] } {
  return typeof error === 'object' && error !== null && 'errors' in error && Array.isArray(error.errors);
}

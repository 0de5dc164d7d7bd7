import type { Answer } from './caller.ts';
import {
  CatenaError,
  type CatenaErrorCode,
  Gone,
  InvalidRequest,
  NotAnInteger,
  OutOfRange,
  PreconditionFailed,
  type Problem,
  StoreFull,
} from './errors.ts';

const TYPE = 'urn:catena:problem:';
const decoder = new TextDecoder();

/** The body of an answer as JSON; `undefined` when it is none. */
export function jsonOf({ body }: Pick<Answer, 'body'>): unknown {
  try {
    return JSON.parse(decoder.decode(body)) as unknown;
  } catch {
    return undefined;
  }
}

/** What an answer that is a problem says; `null` when it is none of catena's. */
export function problemOf(answer: Pick<Answer, 'body'>): Problem | null {
  const problem = jsonOf(answer);
  return isProblem(problem) ? problem : null;
}

/** The code that a problem stands for, such as `KEY_NOT_FOUND`. */
export function codeOf({ type }: Pick<Problem, 'type'>): CatenaErrorCode {
  return type.slice(TYPE.length).toUpperCase().replaceAll('-', '_');
}

/** The error that an answer of 400 or more stands for. */
export function refusalOf(answer: Pick<Answer, 'status' | 'body'>): CatenaError {
  const problem = problemOf(answer);
  if (problem !== null) return errorOf(problem);
  const { status } = answer;
  const text = decoder.decode(answer.body.subarray(0, 200));
  const message = `it was answered ${status}, not in words of catena: ${JSON.stringify(text)}`;
  return new CatenaError('BAD_ANSWER', message);
}

/** The error that a problem stands for, of a request or of an operation in a batch. */
export function errorOf(problem: Problem): CatenaError {
  const code = codeOf(problem);
  const message = problem.detail;
  switch (code) {
    case 'PRECONDITION_FAILED':
      return new PreconditionFailed(message, { problem });
    case 'NOT_AN_INTEGER':
      return new NotAnInteger(message, { problem });
    case 'OUT_OF_RANGE':
      return new OutOfRange(message, { problem });
    case 'STORE_FULL':
    case 'READ_ONLY':
      return new StoreFull(code, message, { problem });
  }
  if (problem.status === 410) return new Gone(message, { problem });
  return [400, 403, 405, 413, 414, 422, 431].includes(problem.status)
    ? new InvalidRequest(code, message, { problem })
    : new CatenaError(code, message, { problem });
}

/** Whether this has the shape of a problem, as bodies and the results of a batch have it. */
export function isProblem(value: unknown): value is Problem {
  return (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    typeof value.type === 'string' &&
    value.type.startsWith(TYPE) &&
    'status' in value &&
    typeof value.status === 'number' &&
    'detail' in value &&
    typeof value.detail === 'string'
  );
}

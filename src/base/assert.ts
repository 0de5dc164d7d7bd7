/** A broken promise of our own code. Never caught to go on: the process that meets one stops. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/**
 * States what must hold. `message` names the invariant first ("I2: ..."), and is a function so that a passing
 * assertion on a hot path builds no string.
 *
 * @throws AssertionError when `condition` is false.
 */
export function assert(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new AssertionError(message());
}

/** Closes a `switch` over a union: a missing case does not compile, and one that comes at run time stops. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}

/**
 * The value, which the caller knows to be there.
 *
 * @throws AssertionError when it is not.
 */
export function defined<T>(value: T | undefined | null, what: () => string): T {
  assert(value !== undefined && value !== null, () => `missing: ${what()}`);
  return value;
}

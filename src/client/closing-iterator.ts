/**
 * An iterator over what `generate` yields that can be closed at any moment: an async generator alone would answer
 * `return()` only after the `next()` under way. `closed` is aborted by `return()`, and is the generator's to obey.
 */
export function closingIterator<T>(
  generate: (closed: AbortSignal) => AsyncGenerator<T, void, undefined>,
): AsyncIterableIterator<T> {
  const closing = new AbortController();
  const generator = generate(closing.signal);
  return {
    next: () => generator.next(),
    return: () => {
      closing.abort();
      return generator.return();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** Aborted as soon as one of them is. */
export function eitherSignal(closed: AbortSignal, signal: AbortSignal | undefined): AbortSignal {
  return signal === undefined ? closed : AbortSignal.any([closed, signal]);
}

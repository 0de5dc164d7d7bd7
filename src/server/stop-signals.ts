import type { Clock } from '../ports/clock.ts';

/** Ctrl-C under `npm run` comes twice, from the terminal and passed on by npm: within this time it is the same one. */
const SAME_SIGNAL_MS = 500;

/**
 * Calls `first` on the first SIGINT, SIGTERM or SIGHUP (the terminal was closed), and `again` on a later one: somebody who
 * will not wait.
 */
export function onStopSignals({
  clock,
  first,
  again,
}: {
  clock: Clock;
  first: (signal: string) => void;
  again: (signal: string) => void;
}): void {
  let firstMs: number | null = null;
  const received = (signal: string): void => {
    const nowMs = clock.now().monotonicMs;
    if (firstMs === null) {
      firstMs = nowMs;
      first(signal);
    } else if (nowMs - firstMs > SAME_SIGNAL_MS) {
      again(signal);
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, received);
}

import type { Logger } from '../ports/logger.ts';

/** Tries that fail in a row before the log says so: a neighbour that starts a moment later is no news. */
const QUIET_TRIES = 10;
/** After that, one line in so many tries. */
const LINE_EVERY_TRIES = 50;

/** Says in the log that something can't be reached, and that it can be again, without a line for every try. */
export function logDialFailures(
  logger: Logger,
  what: string,
): { failed: (reason: string) => void; succeeded: () => void } {
  let tries = 0;
  return {
    failed(reason) {
      tries += 1;
      if (tries === QUIET_TRIES || tries % LINE_EVERY_TRIES === 0) {
        logger.warn({ tries, reason }, `can't reach ${what}; trying on`);
      }
    },
    succeeded() {
      if (tries >= QUIET_TRIES) logger.info({ tries }, `reached ${what}`);
      else logger.debug({ tries }, `reached ${what}`);
    },
  };
}

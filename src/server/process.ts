import { CatenaError, messageOf } from '../base/errors.ts';
import { systemClock } from '../platform/clock.ts';
import { createLogger, type ProcessLogger } from '../platform/logger.ts';
import type { Logger } from '../ports/logger.ts';
import { connectToParent, type Parent } from './parent.ts';
import type { Running } from './running.ts';
import { onStopSignals } from './stop-signals.ts';

/** INTERFACE.md: a process stops within 5 s; this leaves it a moment to say that it could not in order. */
const STOP_MS_MAX = 4500;

/** What a server gets from the process that it runs in. */
export interface ServerContext {
  readonly logger: Logger;
  /** Takes what every line of the log shall show from then on. */
  readonly describe: (bindings: () => object) => void;
}

/**
 * Runs a node or a coordinator as this process until a signal, or the `up` that started it, stops it. It never returns:
 * the process exits with 0 when it was stopped, with 1 when it failed.
 */
export async function runAsProcess(
  node: string,
  start: (context: ServerContext) => Promise<Running>,
): Promise<void> {
  let more = (): object => ({});
  const level = process.env.CATENA_LOG_LEVEL ?? 'info';
  const logger = createLogger({ level, bindings: () => ({ node, ...more() }) });
  endOnBugs(logger);
  const life = new Life(logger);
  try {
    life.started(await start({ logger, describe: (bindings) => (more = bindings) }));
  } catch (error) {
    await life.failed(error);
  }
}

/** From the start of a process to its exit. */
class Life {
  readonly #logger: ProcessLogger;
  readonly #parent: Parent;
  #running: Running | null = null;
  #stopping = false;

  constructor(logger: ProcessLogger) {
    this.#logger = logger;
    this.#parent = connectToParent({
      said: (message) => void (message === 'drain' ? this.#drain() : this.#stop('up')),
      orphaned: endAtOnce,
    });
    onStopSignals({
      clock: systemClock,
      first: (signal) => void this.#stop(signal),
      again: (signal) => {
        logger.warn({ signal }, 'Stopping at once, as a second signal came');
        process.exit(1);
      },
    });
  }

  started(running: Running): void {
    this.#running = running;
  }

  async failed(error: unknown): Promise<void> {
    if (error instanceof CatenaError) {
      this.#logger.fatal({ code: error.code }, error.message);
      this.#parent.complain(error.message);
      await this.#parent.tell({ kind: 'failed', code: error.code, message: error.message });
    } else {
      this.#logger.fatal({ err: error }, `It could not start: ${messageOf(error)}`);
      this.#parent.complain(`it could not start: ${messageOf(error)}`);
    }
    process.exit(1);
  }

  async #drain(): Promise<void> {
    await this.#running?.drain();
    await this.#parent.tell({ kind: 'drained' });
  }

  async #stop(by: string): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#logger.info({ by }, 'Stopping');
    // While it starts it has promised nothing to anybody, and what is on the disk can be recovered at any moment.
    if (this.#running === null) process.exit(0);
    systemClock.after(STOP_MS_MAX, () => {
      this.#logger.fatal(
        {},
        `It did not stop within ${STOP_MS_MAX} ms; ending at once. No data is lost by that`,
      );
      process.exit(1);
    });
    await this.#running.stop();
    this.#logger.info({}, 'Stopped');
    process.exit(0);
  }
}

/** Nothing is written any more: the log on the disk can be recovered after any line. */
function endOnBugs(logger: ProcessLogger): void {
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, `A bug stops this process: ${messageOf(error)}`);
    process.exit(1);
  });
}

/** Without waiting for a disk that hangs, as `process.exit` would. */
function endAtOnce(): void {
  process.kill(process.pid, 'SIGKILL');
}

import { writeSync } from 'node:fs';
import pino from 'pino';
import { CatenaError } from '../base/errors.ts';
import type { Logger } from '../ports/logger.ts';
import { errnoOf } from './disk-error.ts';
import { prettyLines } from './pretty.ts';

/** A log that nobody reads fast enough loses lines beyond this, rather than holding the chain up. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** The log of a whole process. */
export interface ProcessLogger extends Logger {
  /** A line at the end: it is written before this returns, past any that is on its way, so that the process may exit behind it. */
  fatal(fields: object, message: string): void;
}

/**
 * Logs to standard output: JSON lines, or lines for people when it is a terminal. `bindings` gives what stands on each
 * line: the node, and its role and epoch at that moment.
 *
 * @param level as in `CATENA_LOG_LEVEL`: the least that is logged.
 * @throws CatenaError BAD_PARAMETER for another level than pino's.
 */
export function createLogger({ level, bindings }: { level: string; bindings: () => object }): ProcessLogger {
  if (!LEVELS.includes(level)) {
    const known = LEVELS.join(', ');
    throw new CatenaError('BAD_PARAMETER', `CATENA_LOG_LEVEL is "${level}": give one of ${known}`);
  }
  const timestamp = pino.stdTimeFunctions.isoTime;
  return pino({ level, base: { pid: process.pid }, mixin: bindings, timestamp }, standardOutput());
}

function standardOutput(): pino.DestinationStream & { flushSync(): void } {
  // Never synchronous: a paused terminal or a full pipe would stop the node.
  const out = pino.destination({ dest: 1, sync: false, maxLength: WAITING_BYTES_MAX });
  // A terminal that was closed, say. What can't be logged must not stop the node.
  let gone = false;
  const giveUp = (): void => {
    gone = true;
    out.destroy();
  };
  out.on('error', giveUp);
  const write = (line: string): void => {
    if (!gone) out.write(line);
  };
  // It tries a failing write for ever, and pino calls it when the process exits, which then never ends.
  const flush = out.flushSync.bind(out);
  const flushSync = (): void => {
    if (!gone && !takesWrites(1)) giveUp();
    if (!gone) flush();
  };
  out.flushSync = flushSync;
  if (!process.stdout.isTTY) return { write, flushSync };
  const format = prettyLines({ colors: process.stdout.hasColors(), without: ['pid'], brief: false });
  return { write: (line: string) => write(format(line)), flushSync };
}

/** By an empty write, which a terminal that hung up refuses as it does any other. */
function takesWrites(fd: number): boolean {
  try {
    writeSync(fd, '');
    return true;
  } catch (error) {
    return errnoOf(error) === 'EAGAIN';
  }
}

import type { Clock } from '../ports/clock.ts';
import type { Connection, Transport } from '../ports/transport.ts';

const RETRY_MS_MIN = 20;
const CONNECT_MS_MAX = 2000;
const REFUSED = 'the connection was refused: nothing listens there (ECONNREFUSED)';

/** A try to connect, as the network sees it. */
export interface Try {
  /** It has not been given up. */
  readonly isWanted: () => boolean;
  /** Told at most once, also when it has been given up; nothing is told when no answer comes. */
  readonly answered: (answer: Connection | 'refused') => void;
}

/** Sends one try on its way. */
export type Connect = (attempt: Try) => void;

/**
 * Dials like TCP's dialler: 20 ms after a failure, then twice as long each time; a try without an answer fails after 2 s of
 * the process's clock. Rejects with the signal's reason.
 */
export function dialUntilConnected(
  connect: Connect,
  { signal, retryMsMax, failed }: Parameters<Transport['dial']>[1],
  clock: Clock,
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    let waitMs = RETRY_MS_MIN;
    let cancel = (): void => {};
    const again = (reason: string): void => {
      failed(reason);
      if (signal.aborted) return;
      cancel = clock.after(Math.min(waitMs, retryMsMax), attempt);
      waitMs = Math.min(2 * waitMs, retryMsMax);
    };
    const aborted = (): void => {
      cancel();
      reject(signal.reason);
    };
    const attempt = (): void => {
      cancel = connectOnce(connect, clock, (answer) => {
        if (typeof answer === 'string') return again(answer);
        signal.removeEventListener('abort', aborted);
        resolve(answer);
      });
    };
    signal.addEventListener('abort', aborted, { once: true });
    attempt();
  });
}

/** One try; a connection that comes of it too late is hung up. @returns what gives it up. */
function connectOnce(
  connect: Connect,
  clock: Clock,
  settled: (answer: Connection | string) => void,
): () => void {
  let isWanted = true;
  const settle = (answer: Connection | string): void => {
    giveUp();
    settled(answer);
  };
  const cancel = clock.after(CONNECT_MS_MAX, () => settle(`no answer within ${CONNECT_MS_MAX} ms`));
  const giveUp = (): void => {
    isWanted = false;
    cancel();
  };
  connect({
    isWanted: () => isWanted,
    answered: (answer) => {
      if (isWanted) settle(answer === 'refused' ? REFUSED : answer);
      else if (answer !== 'refused') answer.close();
    },
  });
  return giveUp;
}

/** Connects once and hangs up; `unknown` when no answer comes within so many ms of the process's clock. */
export function knockOnce(
  connect: Connect,
  { withinMs }: { withinMs: number },
  clock: Clock,
): Promise<'open' | 'refused' | 'unknown'> {
  return new Promise((resolve) => {
    let isWanted = true;
    const cancel = clock.after(withinMs, () => {
      isWanted = false;
      resolve('unknown');
    });
    connect({
      isWanted: () => isWanted,
      answered: (answer) => {
        isWanted = false;
        cancel();
        if (answer !== 'refused') answer.close();
        resolve(answer === 'refused' ? 'refused' : 'open');
      },
    });
  });
}

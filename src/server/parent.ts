import type { ErrorCode } from '../base/errors.ts';

/** Set by `catena up` for the processes that it starts: they hear it over Node's IPC channel, and end when it does. */
export const UNDER_UP = 'CATENA_UNDER_UP';

/** What `up` tells a process: to take no more requests (it answers `drained`), or to stop. */
export type FromUp = 'drain' | 'stop';

/** What a process tells `up`. */
export type ToUp =
  | { readonly kind: 'drained' }
  /** Why it is about to end by itself. */
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };

/** The way to the `up` that started this process. */
export interface Parent {
  /** Resolves when the message has left this process; also when nobody is there to take it. */
  tell(message: ToUp): Promise<void>;
  /** Says why this process ends to whoever started it by hand and does not see its log; `up` shows that itself. */
  complain(message: string): void;
}

/** Listens to `up`, if it started this process; `orphaned` is called when it is gone. */
export function connectToParent(on: { said: (message: FromUp) => void; orphaned: () => void }): Parent {
  if (process.env[UNDER_UP] === undefined || process.send === undefined)
    return { tell: async () => {}, complain };
  process.on('message', (message) => on.said(message as FromUp));
  process.on('disconnect', on.orphaned);
  return { tell: (message) => new Promise((resolve) => send(message, resolve)), complain: () => {} };
}

/** In one line, so that a supervisor's log keeps it together. */
function complain(message: string): void {
  if (!process.stdout.isTTY) process.stderr.write(`catena: ${message.replaceAll('\n', ' ')}\n`);
}

function send(message: ToUp, sent: () => void): void {
  // A channel that broke says so here too; what breaks it is the end of `up`, and 'disconnect' deals with that.
  if (process.connected) process.send?.(message, undefined, undefined, () => sent());
  else sent();
}

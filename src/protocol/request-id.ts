import { type Epoch, type RequestId, requestId } from '../base/ids.ts';

/** How long an id given by a client is remembered, in ms of log time. PROTOCOL.md §8. */
export const CLIENT_REQUEST_WINDOW_MS = 600_000;
/** How many of those ids are remembered at most. */
export const CLIENT_REQUESTS_MAX = 131_072;
/** How long an id made by a head is remembered, in ms of log time. */
export const HEAD_REQUEST_WINDOW_MS = 10_000;
/** The longest request id, in bytes of UTF-8. */
export const REQUEST_ID_BYTES_MAX = 128;

/**
 * The id that a head gives a write that came without one. It carries its birth in log time, so that one which comes
 * back after its window is refused rather than applied again; `(epoch, count)` makes it unique.
 */
export function headRequestId(head: { epoch: Epoch; count: number; bornMs: number }): RequestId {
  return requestId(
    `catena-${head.epoch.toString(36)}-${head.count.toString(36)}-${head.bornMs.toString(36)}`,
  );
}

/** When a head made this id, in ms of log time; `null` for an id that a client gave. */
export function bornMsOf(id: RequestId): number | null {
  if (!id.startsWith('catena-')) return null;
  const match = /^catena-[0-9a-z]{1,11}-[0-9a-z]{1,11}-([0-9a-z]{1,9})$/.exec(id);
  return match?.[1] === undefined ? null : Number.parseInt(match[1], 36);
}

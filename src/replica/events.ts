import type { ErrorCode } from '../base/errors.ts';
import type { Epoch, NodeId, RequestId, Seq } from '../base/ids.ts';
import type { Command, Outcome } from '../protocol/command.ts';
import type { Configuration, Incarnation } from '../protocol/configuration.ts';
import type { Entry } from '../protocol/entry.ts';
import type { LinkMessage } from '../protocol/messages.ts';
import type { VersionedTopology } from '../protocol/topology.ts';

/** A peer connection, numbered by the driver; never used again once it is gone. */
export type LinkId = number;
/** A client's write, numbered by the driver; answered exactly once. */
export type Ticket = number;

/** Everything that can happen to a replica. */
export type ReplicaEvent =
  /** The coordinator's word; older epochs and versions are ignored. */
  | {
      readonly kind: 'told';
      readonly configuration: Configuration | null;
      readonly topology: VersionedTopology | null;
    }
  /** The `save` with this number is on disk. */
  | { readonly kind: 'saved'; readonly save: number }
  /** The log is on disk up to `through`, counting the truncations up to `generation`. */
  | { readonly kind: 'synced'; readonly through: Seq; readonly generation: number }
  /** The connection that `dial` asked for is there. */
  | { readonly kind: 'connected'; readonly link: LinkId; readonly to: Incarnation }
  | { readonly kind: 'message'; readonly link: LinkId; readonly message: LinkMessage }
  /** Bytes came that are no whole message yet: a large one takes its time on a slow network. */
  | { readonly kind: 'heard'; readonly link: LinkId }
  | { readonly kind: 'disconnected'; readonly link: LinkId }
  /** More is queued on the link than should be; nothing more is sent on it until it has drained. */
  | { readonly kind: 'congested'; readonly link: LinkId }
  | { readonly kind: 'drained'; readonly link: LinkId }
  /** What `read` asked for: `null` when the log on disk no longer reaches back so far. */
  | { readonly kind: 'read'; readonly link: LinkId; readonly entries: readonly Entry[] | null }
  | {
      readonly kind: 'write';
      readonly ticket: Ticket;
      readonly requestId: RequestId | null;
      readonly command: Command;
      /** When the caller stops waiting, by the monotonic clock. */
      readonly deadlineMs: number;
    }
  /** The disk failed, or something else that this replica can't go on after. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** The process stops: this replica takes no further part. */
  | { readonly kind: 'stopped'; readonly reason: string }
  /** The end of a turn: what gathered goes to the disk and the neighbours. */
  | { readonly kind: 'flush' }
  /** Every few ms: deadlines, expiry, keep-alives, redials. */
  | { readonly kind: 'tick' };

/** Everything that a replica asks of its driver; carried out in the order given. */
export type Effect =
  /** Keep these on disk, synced, then step `saved`. */
  | {
      readonly kind: 'save';
      readonly save: number;
      readonly configuration: Configuration | null;
      readonly topology: VersionedTopology;
      readonly leaseMsMax: number;
    }
  /** Append to the log; `synced` follows. `committed` is recorded with them, so that recovery can apply up to it. */
  | {
      readonly kind: 'append';
      readonly entries: readonly Entry[];
      readonly committed: Seq;
      readonly generation: number;
    }
  /** Drop the log beyond `after`; syncs under way for earlier generations count for nothing. */
  | { readonly kind: 'truncate'; readonly after: Seq; readonly generation: number }
  /** Read committed entries after `after` back from the disk, for a successor that lacks them; `read` follows. */
  | { readonly kind: 'read'; readonly link: LinkId; readonly after: Seq; readonly bytesMax: number }
  /** Connect to this successor, trying until it succeeds or `hang-up`; takes the place of an earlier dial. */
  | { readonly kind: 'dial'; readonly to: Incarnation }
  /** Close this link, or with `null` give up the dial under way. No `disconnected` follows. */
  | { readonly kind: 'hang-up'; readonly link: LinkId | null; readonly reason: string }
  | { readonly kind: 'send'; readonly link: LinkId; readonly message: LinkMessage }
  | { readonly kind: 'answer'; readonly ticket: Ticket; readonly reply: WriteReply }
  /** Something that people should be able to read in the log. */
  | {
      readonly kind: 'say';
      readonly level: 'info' | 'warn';
      readonly message: string;
      readonly fields: object;
    }
  /** The replica is corrupt, or can't go on, and takes no further part. */
  | {
      readonly kind: 'fail';
      readonly code: Extract<ErrorCode, 'CORRUPT' | 'BROKEN'>;
      readonly reason: string;
    };

/** What became of a client's write. */
export type WriteReply =
  | {
      readonly kind: 'applied';
      readonly outcome: Outcome;
      readonly replayed: boolean;
      readonly requestId: RequestId;
    }
  /** This attempt had no effect and will have none; of an earlier one under the same id nothing is said. */
  | {
      readonly kind: 'refused';
      readonly code: Extract<ErrorCode, 'STORE_FULL' | 'OVERLOADED' | 'NOT_READY' | 'BROKEN'>;
    }
  /** This node is not (or no longer) the head; retried there under `requestId` it takes effect once. */
  | {
      readonly kind: 'moved';
      readonly to: NodeId | null;
      readonly epoch: Epoch;
      readonly requestId: RequestId | null;
    }
  /** The deadline passed: it may still take effect. Safe to retry under `requestId`. */
  | { readonly kind: 'unknown'; readonly requestId: RequestId };

import type { ErrorCode } from '../base/errors.ts';
import type { Epoch, NodeId, RequestId, Seq, StoreId } from '../base/ids.ts';
import type { Command, Outcome } from '../protocol/command.ts';
import type { Configuration, Incarnation } from '../protocol/configuration.ts';
import type { Entry } from '../protocol/entry.ts';
import type { LinkMessage, PartialSnapshot } from '../protocol/messages.ts';
import type { SnapshotHeader, SnapshotPart } from '../protocol/snapshot.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import type { Store } from './store.ts';

/** A peer connection, numbered by the driver; never used again once it is gone. */
export type LinkId = number;
/** A client's write or question, numbered by the driver; answered exactly once. */
export type Ticket = number;

/** Everything that can happen to a replica. */
export type ReplicaEvent =
  /** The coordinator's word; older epochs and versions are ignored. */
  | {
      readonly kind: 'told';
      readonly configuration: Configuration | null;
      readonly topology: VersionedTopology | null;
    }
  /** The coordinator asks it to serve no read in this epoch any more. */
  | { readonly kind: 'stop-serving'; readonly epoch: Epoch }
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
  /**
   * What `open-snapshot` asked for: its parts are read from `from` on, the `next` of what was wanted if it still is the same
   * snapshot, else 0.
   */
  | {
      readonly kind: 'snapshot-opened';
      readonly link: LinkId;
      readonly header: SnapshotHeader;
      readonly from: number;
      readonly bytes: number;
    }
  /** What `read-part` asked for: `null` behind the last part, of which `place` is then the number. */
  | {
      readonly kind: 'part-read';
      readonly link: LinkId;
      readonly place: number;
      readonly part: SnapshotPart | null;
    }
  /** What `store-part` asked for is done. */
  | { readonly kind: 'part-stored'; readonly link: LinkId; readonly place: number }
  /** What `install-snapshot` asked for is done, on disk: `store` holds it and nothing else, and the log begins behind it. */
  | {
      readonly kind: 'installed';
      readonly link: LinkId;
      readonly header: SnapshotHeader;
      readonly store: Store;
    }
  /** A part or a snapshot that came by this link makes no sense: the session ends, and what was received is forgotten. */
  | { readonly kind: 'bad-snapshot'; readonly link: LinkId; readonly reason: string }
  /** A read of keys with entries above `committed` came (CRAQ): `settled` follows, or never when the epoch ends. */
  | { readonly kind: 'ask'; readonly ticket: Ticket }
  /** The disk takes nothing any more: this replica writes nothing more, and serves what it holds as long as it may. */
  | { readonly kind: 'disk-failed'; readonly reason: string }
  /** Something else happened that this replica can't go on after. */
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
  /** Open the newest snapshot on disk for this link, and keep it and the log behind it until `close-snapshot`. */
  | { readonly kind: 'open-snapshot'; readonly link: LinkId; readonly wanted: PartialSnapshot | null }
  /** Read a part of the snapshot opened for this link; `part-read` follows. At most one at a time. */
  | { readonly kind: 'read-part'; readonly link: LinkId; readonly place: number }
  /** The snapshot opened for this link, if there is one, is needed no more. Also when the link is gone. */
  | { readonly kind: 'close-snapshot'; readonly link: LinkId }
  /** Parts of a snapshot follow: from 0 it is begun anew, else the one that was interrupted goes on. */
  | {
      readonly kind: 'begin-snapshot';
      readonly link: LinkId;
      readonly of: StoreId;
      readonly header: SnapshotHeader;
      readonly from: number;
      readonly bytes: number;
    }
  /** Write this part aside; `part-stored` follows. */
  | { readonly kind: 'store-part'; readonly link: LinkId; readonly part: SnapshotPart }
  /** All parts are stored: put the snapshot in force in place of store and log; `installed` follows. */
  | { readonly kind: 'install-snapshot'; readonly link: LinkId; readonly parts: number }
  /** What of a snapshot was stored is forgotten. */
  | { readonly kind: 'drop-snapshot' }
  /** The read that asked may be served, if the lease still holds: own `committed` has reached what the tail had. */
  | { readonly kind: 'settled'; readonly ticket: Ticket }
  /** Step a `tick` at this time by the monotonic clock, though none is due: a fence ends, say. */
  | { readonly kind: 'wake'; readonly atMs: number }
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
      readonly code: Extract<ErrorCode, 'STORE_FULL' | 'OVERLOADED' | 'NOT_READY' | 'BROKEN' | 'READ_ONLY'>;
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

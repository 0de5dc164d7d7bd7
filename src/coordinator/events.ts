import type { NodeId } from '../base/ids.ts';
import type { HeartbeatAnswer, NodeReport } from '../protocol/messages.ts';
import type { Topology } from '../protocol/topology.ts';
import type { Register } from './register.ts';

/** A peer connection, numbered by the driver: a later one has a higher number. */
export type LinkId = number;
/** An operator's request, numbered by the driver; answered exactly once. */
export type RequestTicket = number;

/** Everything that can happen to a coordinator. */
export type CoordinatorEvent =
  | { readonly kind: 'heartbeat'; readonly link: LinkId; readonly report: NodeReport }
  /** The connection is gone; not for one that a `hang-up` closed. */
  | { readonly kind: 'closed'; readonly link: LinkId }
  /** The `save` with this number is on disk, and stays there through a power cut. */
  | { readonly kind: 'saved'; readonly save: number }
  /** What the topology file says, checked; it counts when `digest` is not that of what was taken from it last. */
  | { readonly kind: 'topology'; readonly topology: Topology; readonly digest: string }
  /** The topology file is bad, in these words. */
  | { readonly kind: 'bad-topology'; readonly problem: string }
  /** `PUT /topology`, checked. `ifVersion`: only if the present version is this one; `null` for whichever it is. */
  | {
      readonly kind: 'edit';
      readonly ticket: RequestTicket;
      readonly topology: Topology;
      readonly ifVersion: number | null;
      readonly dryRun: boolean;
    }
  /** An operator's way out: the chain is to be this node alone, whatever the others hold. */
  | { readonly kind: 'force'; readonly ticket: RequestTicket; readonly survivor: NodeId }
  /** A knock at the peer port of a node in `unlinked` found that nobody listens there, or that somebody does. */
  | { readonly kind: 'knocked'; readonly node: NodeId; readonly refused: boolean }
  /** Every `heartbeatMs`, and whenever something is heard that may decide something. */
  | { readonly kind: 'tick' };

/** Everything that a coordinator asks of its driver; carried out in the order given. */
export type CoordinatorEffect =
  /** Keep this on disk, synced, then step `saved`. There is never more than one at a time. */
  | { readonly kind: 'save'; readonly save: number; readonly register: Register }
  | { readonly kind: 'tell'; readonly link: LinkId; readonly answer: HeartbeatAnswer }
  /** Close this link. No `closed` follows. */
  | { readonly kind: 'hang-up'; readonly link: LinkId; readonly reason: string }
  | { readonly kind: 'edited'; readonly ticket: RequestTicket; readonly reply: EditReply }
  | { readonly kind: 'forced'; readonly ticket: RequestTicket; readonly reply: ForceReply }
  /** Something that people should be able to read in the log. */
  | {
      readonly kind: 'say';
      readonly level: 'info' | 'warn';
      readonly message: string;
      readonly fields: object;
    };

/** What became of an edit of the topology. */
export type EditReply =
  /** It is in force as this version, on disk, and `plan` is carried out step by step; with `dryRun` it only would be. */
  | { readonly kind: 'taken'; readonly version: number; readonly plan: readonly string[] }
  /** Somebody else has edited it since: this is the present version. */
  | { readonly kind: 'conflict'; readonly version: number }
  /** A running cluster can't take it, in these words. */
  | { readonly kind: 'refused'; readonly problem: string };

/** What became of forcing a configuration. */
export type ForceReply =
  | { readonly kind: 'forced'; readonly epoch: number }
  | { readonly kind: 'refused'; readonly problem: string };

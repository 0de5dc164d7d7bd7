import type { HeartbeatAnswer, NodeReport } from '../protocol/messages.ts';
import type { Topology } from '../protocol/topology.ts';
import type { Register } from './register.ts';

/** A peer connection, numbered by the driver: a later one has a higher number. */
export type LinkId = number;

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
  /** Every `heartbeatMs`: all that a coordinator decides, it decides here. */
  | { readonly kind: 'tick' };

/** Everything that a coordinator asks of its driver; carried out in the order given. */
export type CoordinatorEffect =
  /** Keep this on disk, synced, then step `saved`. There is never more than one at a time. */
  | { readonly kind: 'save'; readonly save: number; readonly register: Register }
  | { readonly kind: 'tell'; readonly link: LinkId; readonly answer: HeartbeatAnswer }
  /** Close this link. No `closed` follows. */
  | { readonly kind: 'hang-up'; readonly link: LinkId; readonly reason: string }
  /** Something that people should be able to read in the log. */
  | {
      readonly kind: 'say';
      readonly level: 'info' | 'warn';
      readonly message: string;
      readonly fields: object;
    };

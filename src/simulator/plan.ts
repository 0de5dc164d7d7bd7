import type { ClientPlan } from './workload.ts';

/** The name of a machine: a node's, or the coordinator's. */
export type MachineName = string;

/** A member by its place in the chain at that moment, or any machine by its name. */
export type Target =
  | { readonly place: 'head' | 'middle' | 'before-tail' | 'tail' | 'joiner' | 'spare' }
  | { readonly name: MachineName };

/** Something that goes wrong, or is changed, at a moment that was chosen before the run. Plain data. */
export type Fault = {
  readonly atMs: number;
  /** Unless `null` it waits from `atMs` on for the next configuration that a replica takes up, and so many ms more. */
  readonly behindChangeMs: number | null;
} & FaultKind;

/** What can go wrong; `forMs` is how long until it is put right. All in ms of the world. */
export type FaultKind =
  /** The process dies; with `power` the machine loses what was not synced, and the network hears nothing of it. */
  | { readonly kind: 'crash'; readonly who: Target; readonly power: boolean; readonly forMs: number }
  /** It is asked to end, and does so in order. */
  | { readonly kind: 'stop'; readonly who: Target; readonly forMs: number }
  /** All machines at once; each comes back after its own time. */
  | {
      readonly kind: 'power-cut';
      readonly coordinator: 'stays' | 'cut' | 'loses its register';
      readonly forMs: readonly number[];
    }
  /** With `suspended` the monotonic clock stands still meanwhile. */
  | { readonly kind: 'pause'; readonly who: Target; readonly suspended: boolean; readonly forMs: number }
  | { readonly kind: 'break'; readonly a: Target; readonly b: Target }
  /** Standing connections hold back what is sent from `a` to `b`, and with `bothWays` what `b` sends, then deliver it. */
  | {
      readonly kind: 'stall';
      readonly a: Target;
      readonly b: Target;
      readonly bothWays: boolean;
      readonly forMs: number;
    }
  /** New connections are refused; with `breaks` those that stand are reset. */
  | {
      readonly kind: 'refuse';
      readonly from: Target;
      readonly to: Target;
      readonly breaks: boolean;
      readonly forMs: number;
    }
  /** No packet from one of these to any other machine; with `oneWay` the others still reach them. */
  | {
      readonly kind: 'partition';
      readonly group: readonly Target[];
      readonly oneWay: boolean;
      readonly forMs: number;
    }
  | { readonly kind: 'slow-disk'; readonly who: Target; readonly factor: number; readonly forMs: number }
  /** One sync of a file takes so much longer. */
  | { readonly kind: 'disk-hang'; readonly who: Target; readonly forMs: number }
  | { readonly kind: 'disk-error'; readonly who: Target; readonly operation: 'sync' | 'write' }
  | { readonly kind: 'disk-full'; readonly who: Target; readonly forMs: number }
  /** A bit of what was synced turns over; the node starts again soon afterwards, so that it shows. */
  | { readonly kind: 'bit-flip'; readonly who: Target; readonly where: 'log' | 'snapshot' }
  /** Its machine is replaced by an empty one of the same name. */
  | { readonly kind: 'replace'; readonly who: Target; readonly forMs: number }
  | { readonly kind: 'clock-jump'; readonly who: Target; readonly byMs: number }
  | { readonly kind: 'coordinator-crash'; readonly power: boolean; readonly forMs: number }
  | { readonly kind: 'register-lost'; readonly forMs: number }
  | { readonly kind: 'edit'; readonly edit: Edit };

/** A change of the topology, made of what it is at that moment. */
export type Edit =
  | { readonly kind: 'reorder'; readonly turn: number }
  /** A node that was never there, or was taken out; it is wanted at the head with `first`, else behind all others. */
  | { readonly kind: 'add'; readonly first: boolean }
  | { readonly kind: 'remove'; readonly who: Target }
  | { readonly kind: 'replicas'; readonly replicas: number }
  | { readonly kind: 'reads' }
  | { readonly kind: 'lease'; readonly leaseMs: number }
  | { readonly kind: 'bad' };

/** The cluster at the beginning, and what its machines are like. */
export interface Setup {
  /** Of the topology's chain, in order; those behind `replicas` are spares. */
  readonly nodes: number;
  readonly replicas: number;
  readonly reads: 'tail' | 'any';
  readonly durability: 'sync' | 'memory';
  readonly timing: {
    readonly heartbeatMs: number;
    readonly suspectAfterMs: number;
    readonly leaseMs: number;
    readonly stallAfterMs: number;
  };
  /** By machine: how wrong its clocks are from the beginning. */
  readonly clocks: Readonly<Record<MachineName, { readonly rate: number; readonly wallOffMs: number }>>;
  readonly storage: {
    readonly segmentBytesMax: number;
    readonly retainBytesMin: number;
    readonly snapshotBytesMin: number;
    readonly blockBytes: number;
  };
  /** How many times slower than in one room packets are at most; each way between two machines has its own part of that. */
  readonly slowness: number;
  /** What may wait on a link before it counts as congested; `null` for the default. */
  readonly linkQueuedBytesMax: number | null;
  /** Small enough for clients to meet it, or `null` for the default. */
  readonly inFlightBytes: number | null;
  /** When the faults end and everything is put right. */
  readonly chaosMs: number;
}

/** Everything of a run that is not decided in it. The same plan gives the same course; with less in it, another. */
export interface Plan {
  readonly seed: number;
  readonly setup: Setup;
  readonly faults: readonly Fault[];
  readonly clients: readonly ClientPlan[];
}

/** The names of the nodes that a world can have: those of the setup, and two more to be added. */
export function nodeNames(setup: Pick<Setup, 'nodes'>): MachineName[] {
  return Array.from({ length: setup.nodes + 2 }, (_, at) => `n${at + 1}`);
}

/** The coordinator's machine. */
export const COORDINATOR: MachineName = 'c1';

import type { Course } from './courses.ts';
import type { FaultKind } from './plan.ts';

/** What can go wrong. */
export type Kind = FaultKind['kind'];

/** How often each kind comes when it comes at all, and in how many of the runs it does (swarm testing: Groce et al., 2012). */
type Kinds = Readonly<Partial<Record<Kind, { readonly weight: number; readonly runs: number }>>>;

/** What a run is made to look at most: rare courses need many faults of the few kinds that lead there. */
export interface Flavour {
  /** Of how many runs in ten. */
  readonly tenths: number;
  readonly kinds: Kinds;
  /** How often suspicion is much quicker than the lease. */
  readonly quick: number;
  /** One of these. */
  readonly nodes: readonly number[];
  readonly keys: readonly number[];
  /** How many courses of several faults a run has at most, and which. */
  readonly coursesMax: number;
  readonly courses: readonly Course[];
}

const ANYTHING: Flavour = {
  tenths: 3,
  quick: 0.4,
  nodes: [2, 3, 3, 3, 4, 4, 5],
  keys: [6, 10, 14],
  coursesMax: 1,
  courses: ['torn-head', 'stuck-seal', 'skipped-epoch', 'cut-install'],
  kinds: {
    crash: { weight: 10, runs: 0.8 },
    stop: { weight: 4, runs: 0.3 },
    'power-cut': { weight: 2, runs: 0.3 },
    pause: { weight: 8, runs: 0.6 },
    break: { weight: 8, runs: 0.5 },
    stall: { weight: 10, runs: 0.6 },
    refuse: { weight: 4, runs: 0.3 },
    partition: { weight: 8, runs: 0.6 },
    'slow-disk': { weight: 4, runs: 0.4 },
    'disk-hang': { weight: 4, runs: 0.4 },
    'disk-error': { weight: 2, runs: 0.2 },
    'disk-full': { weight: 3, runs: 0.2 },
    'bit-flip': { weight: 3, runs: 0.25 },
    replace: { weight: 3, runs: 0.3 },
    'clock-jump': { weight: 4, runs: 0.3 },
    'coordinator-crash': { weight: 4, runs: 0.4 },
    'register-lost': { weight: 1, runs: 0.1 },
    edit: { weight: 6, runs: 0.5 },
  },
};

/** Members that were dropped live on, and could serve reads that are old. */
const LEASES: Flavour = {
  tenths: 4,
  quick: 1,
  nodes: [3, 3, 4, 5],
  keys: [6],
  coursesMax: 4,
  courses: ['skipped-epoch', 'shortened-lease', 'shortened-lease', 'fresh-tail'],
  kinds: {
    crash: { weight: 4, runs: 0.7 },
    pause: { weight: 6, runs: 0.5 },
    stall: { weight: 8, runs: 0.8 },
    partition: { weight: 10, runs: 0.9 },
    refuse: { weight: 8, runs: 0.6 },
    'coordinator-crash': { weight: 2, runs: 0.3 },
    edit: { weight: 4, runs: 0.4 },
  },
};

/** Processes come back to what their disks kept. */
const DISKS: Flavour = {
  tenths: 2,
  quick: 0.2,
  nodes: [2, 2, 3, 3, 4],
  keys: [6, 10],
  coursesMax: 4,
  courses: ['torn-head', 'torn-head', 'cut-install', 'stuck-seal'],
  kinds: {
    crash: { weight: 12, runs: 1 },
    stop: { weight: 2, runs: 0.3 },
    'power-cut': { weight: 6, runs: 0.7 },
    stall: { weight: 4, runs: 0.3 },
    partition: { weight: 4, runs: 0.4 },
    'slow-disk': { weight: 8, runs: 0.6 },
    'disk-hang': { weight: 6, runs: 0.6 },
    'disk-error': { weight: 3, runs: 0.3 },
    'disk-full': { weight: 3, runs: 0.3 },
    'bit-flip': { weight: 5, runs: 0.5 },
    'coordinator-crash': { weight: 6, runs: 0.5 },
    'register-lost': { weight: 2, runs: 0.3 },
  },
};

/** The chain is rebuilt all the time. */
const CHANGES: Flavour = {
  tenths: 1,
  quick: 0.3,
  nodes: [2, 3, 4, 5],
  keys: [6, 10],
  coursesMax: 3,
  courses: ['stuck-seal', 'cut-install', 'cut-install'],
  kinds: {
    edit: { weight: 12, runs: 1 },
    replace: { weight: 6, runs: 0.7 },
    crash: { weight: 4, runs: 0.5 },
    stall: { weight: 6, runs: 0.5 },
    break: { weight: 4, runs: 0.4 },
    'slow-disk': { weight: 4, runs: 0.3 },
    'coordinator-crash': { weight: 4, runs: 0.5 },
    partition: { weight: 3, runs: 0.3 },
  },
};

/** Each as often as it has tenths. */
export const FLAVOURS: readonly Flavour[] = [ANYTHING, LEASES, DISKS, CHANGES].flatMap((flavour) =>
  Array<Flavour>(flavour.tenths).fill(flavour),
);

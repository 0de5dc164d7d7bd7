import { unreachable } from '../base/assert.ts';
import { Prng } from '../base/prng.ts';
import {
  COORDINATOR,
  type Edit,
  type Fault,
  type FaultKind,
  nodeNames,
  type Plan,
  type Setup,
  type Target,
} from './plan.ts';
import { planClients } from './workload.ts';

/** How long the faults last, in ms of the world; then everything is put right, and has to come to rest. */
const CHAOS_MS = 7500;
/** In some runs the clients fall silent before the faults end: what gets stuck is not set going again by the next write. */
const CLIENT_PARTS = [1, 1, 1, 0.7];
/** How often all machines lose power around the first configuration. */
const EARLY_CUTS = 0.1;
/** How often a fault waits until the chain is about to change, and for how long behind that at most, in ms. */
const BEHIND_CHANGES = 0.3;
const BEHIND_MS_MAX = 60;
/** How often a fault happens twice. */
const REPEATS = 0.15;
/** A run begins with this long of peace, in most runs enough for the first configuration. */
const PEACE_MS = 300;

type Kind = FaultKind['kind'];

/** How often each kind comes when it comes at all, and in how many of the runs it does (swarm testing: Groce et al., 2012). */
type Kinds = Readonly<Partial<Record<Kind, { readonly weight: number; readonly runs: number }>>>;

/** What a run is made to look at most: rare courses need many faults of the few kinds that lead there. */
interface Flavour {
  /** Of how many runs in ten. */
  readonly tenths: number;
  readonly kinds: Kinds;
  /** How often suspicion is much quicker than the lease. */
  readonly quick: number;
  /** One of these. */
  readonly nodes: readonly number[];
  readonly keys: readonly number[];
}

const ANYTHING: Flavour = {
  tenths: 3,
  quick: 0.4,
  nodes: [2, 3, 3, 3, 4, 4, 5],
  keys: [6, 10, 14],
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
  kinds: {
    crash: { weight: 12, runs: 1 },
    stop: { weight: 2, runs: 0.3 },
    'power-cut': { weight: 6, runs: 0.7 },
    stall: { weight: 4, runs: 0.3 },
    partition: { weight: 4, runs: 0.4 },
    'slow-disk': { weight: 8, runs: 0.6 },
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

const FLAVOURS = [ANYTHING, LEASES, DISKS, CHANGES].flatMap((flavour) =>
  Array<Flavour>(flavour.tenths).fill(flavour),
);

/** Makes the plan of a run: all that chance decides about it. Even seeds read at the tail, odd ones at any replica. */
export function makePlan(seed: number): Plan {
  const prng = new Prng(seed);
  const flavour = prng.pick(FLAVOURS);
  const setup = makeSetup(prng.fork('setup'), flavour, seed % 2 === 0 ? 'tail' : 'any');
  const faults = makeFaults(prng.fork('faults'), flavour, setup);
  const clients = planClients(prng.fork('clients'), {
    clients: 3 + prng.below(4),
    durationMs: setup.chaosMs * prng.pick(CLIENT_PARTS),
    keys: prng.pick(flavour.keys),
  });
  return { seed, setup, faults, clients };
}

function makeSetup(prng: Prng, flavour: Flavour, reads: 'tail' | 'any'): Setup {
  const nodes = prng.pick(flavour.nodes);
  const replicas = Math.min(nodes, prng.pick([2, 2, 3, 3, 3, 4, 5]));
  const names = [...nodeNames({ nodes }), COORDINATOR];
  const skewed = prng.chance(0.7);
  const clock = () => ({
    rate: skewed ? prng.between(0.955, 1.045) : 1,
    wallOffMs: skewed && prng.chance(0.3) ? Math.round(prng.between(-20_000, 20_000)) : 0,
  });
  const timing = makeTiming(prng, flavour);
  return {
    nodes,
    replicas,
    reads,
    durability: prng.chance(0.08) ? 'memory' : 'sync',
    timing,
    clocks: Object.fromEntries(names.map((name) => [name, clock()])),
    storage: {
      segmentBytesMax: prng.pick([2048, 8192, 65_536]),
      retainBytesMin: prng.pick([0, 4096, 65_536]),
      snapshotBytesMin: prng.pick([4096, 16_384, 131_072]),
      blockBytes: prng.pick([256, 4096, 65_536]),
    },
    // A chain whose suspicion is quicker than its network flaps for ever. PROTOCOL.md §11.
    slowness: prng.chance(0.5) ? 1 : prng.between(1, timing.suspectAfterMs / 8),
    inFlightBytes: prng.chance(0.2) ? 131_072 : null,
    chaosMs: CHAOS_MS,
  };
}

/** In some runs a node is suspected long before its lease has run out: then the fences have work. */
function makeTiming(prng: Prng, flavour: Flavour): Setup['timing'] {
  const heartbeatMs = prng.pick([50, 100, 100, 200]);
  const quick = prng.chance(flavour.quick);
  return {
    heartbeatMs,
    suspectAfterMs: quick ? heartbeatMs + prng.pick([50, 100, 150]) : prng.pick([300, 500, 800]),
    leaseMs: quick ? prng.pick([400, 600, 1000]) : prng.pick([100, 200, 300, 500]),
    stallAfterMs: prng.pick([1000, 2000, 5000]),
  };
}

function makeFaults(prng: Prng, flavour: Flavour, setup: Setup): Fault[] {
  const kinds = Object.entries(flavour.kinds).flatMap(([kind, { weight, runs }]) =>
    prng.chance(runs) ? Array<Kind>(weight).fill(kind as Kind) : [],
  );
  if (kinds.length === 0) return [];
  const everyMs = prng.pick([150, 300, 600, 1200]);
  const faults: Fault[] = [];
  if (prng.chance(EARLY_CUTS)) {
    const behindChangeMs = prng.chance(0.5) ? prng.below(BEHIND_MS_MAX) : null;
    faults.push({ atMs: prng.below(PEACE_MS), behindChangeMs, ...makeFault(prng, setup, 'power-cut') });
  }
  for (let atMs = PEACE_MS * prng.pick([0, 1, 1, 1]); ; ) {
    atMs += Math.round(everyMs * 2 * prng.next() + 1);
    if (atMs >= setup.chaosMs) return faults;
    const behindChangeMs = prng.chance(BEHIND_CHANGES) ? prng.below(BEHIND_MS_MAX) : null;
    const fault = { atMs, behindChangeMs, ...makeFault(prng, setup, prng.pick(kinds)) };
    faults.push(fault);
    if (prng.chance(REPEATS)) faults.push(again(prng, fault));
  }
}

/** The same once more, soon: a start that is cut off, a mend that does not last. */
function again(prng: Prng, fault: Fault): Fault {
  const lastsMs = 'forMs' in fault && typeof fault.forMs === 'number' ? fault.forMs : 50;
  const next = { ...fault, behindChangeMs: null, atMs: fault.atMs + Math.round(lastsMs + 150 * prng.next()) };
  return next.kind === 'crash' ? { ...next, power: prng.chance(0.5) } : next;
}

function makeFault(prng: Prng, setup: Setup, kind: Kind): FaultKind {
  const names = nodeNames(setup).slice(0, setup.nodes);
  const who = () => someNode(prng, names);
  const forMs = durationMs(prng, setup);
  switch (kind) {
    case 'crash':
      return { kind, who: anyone(prng, names), power: prng.chance(0.3), forMs };
    case 'stop':
      return { kind, who: anyone(prng, names), forMs };
    case 'power-cut': {
      const forMsEach = [...names, COORDINATOR].map(() => durationMs(prng, setup));
      const coordinator = prng.pick(['stays', 'stays', 'cut', 'cut', 'loses its register'] as const);
      return { kind, coordinator, forMs: forMsEach };
    }
    case 'pause':
      return { kind, who: anyone(prng, names), suspended: prng.chance(0.3), forMs };
    case 'break':
      return { kind, a: who(), b: anyone(prng, names) };
    case 'stall':
      return { kind, a: who(), b: anyone(prng, names), bothWays: prng.chance(0.5), forMs };
    case 'refuse':
      return {
        kind,
        from: prng.chance(0.5) ? { name: COORDINATOR } : who(),
        to: who(),
        breaks: prng.chance(0.7),
        forMs,
      };
    case 'partition': {
      const group = prng.shuffled([...names, COORDINATOR]).slice(0, 1 + prng.below(2));
      return { kind, group: group.map((name) => ({ name })), oneWay: prng.chance(0.4), forMs };
    }
    case 'slow-disk':
      return { kind, who: anyone(prng, names), factor: prng.pick([5, 30, 200]), forMs };
    case 'disk-error':
      return { kind, who: anyone(prng, names), operation: prng.pick(['sync', 'write']) };
    case 'disk-full':
      return { kind, who: anyone(prng, names), forMs };
    case 'bit-flip':
      return { kind, who: who(), where: prng.pick(['log', 'log', 'snapshot']) };
    case 'replace':
      return { kind, who: who(), forMs };
    case 'clock-jump':
      return { kind, who: anyone(prng, names), byMs: Math.round(prng.between(-1, 1) ** 3 * 60_000) };
    case 'coordinator-crash':
      return { kind, power: prng.chance(0.5), forMs };
    case 'register-lost':
      return { kind, forMs };
    case 'edit':
      return { kind, edit: makeEdit(prng, setup, who()) };
    default:
      return unreachable(kind);
  }
}

function makeEdit(prng: Prng, setup: Setup, who: Target): Edit {
  const kind = prng.pick([
    'reorder',
    'reorder',
    'add',
    'remove',
    'replicas',
    'reads',
    'lease',
    'bad',
  ] as const);
  switch (kind) {
    case 'reorder':
      return { kind, turn: 1 + prng.below(20) };
    case 'remove':
      return { kind, who };
    case 'replicas':
      return { kind, replicas: 1 + prng.below(setup.nodes) };
    case 'lease':
      return { kind, leaseMs: prng.pick([100, 200, 500, 1000]) };
    default:
      return { kind };
  }
}

/** Short ones, and ones that outlast a lease or a suspicion. */
function durationMs(prng: Prng, { timing }: Setup): number {
  const { leaseMs, suspectAfterMs } = timing;
  const longest = prng.pick([50, leaseMs * 1.5, suspectAfterMs * 2, 3000]);
  return Math.round(longest * prng.next()) + 1;
}

function someNode(prng: Prng, names: readonly string[]): Target {
  if (prng.chance(0.4)) return { name: prng.pick(names) };
  return { place: prng.pick(['head', 'head', 'middle', 'tail', 'tail', 'joiner', 'spare'] as const) };
}

function anyone(prng: Prng, names: readonly string[]): Target {
  return prng.chance(0.2) ? { name: COORDINATOR } : someNode(prng, names);
}

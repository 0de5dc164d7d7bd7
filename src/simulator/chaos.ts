import { unreachable } from '../base/assert.ts';
import { Prng } from '../base/prng.ts';
import { type Course, courseOf } from './courses.ts';
import { FLAVOURS, type Flavour, type Kind } from './flavours.ts';
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
/** In some runs nobody repeats a write whose outcome is unknown: what is lost stays lost. */
const RUNS_WITHOUT_IDS = 0.15;
/** Courses that fit every flavour: in every so many'th seed, each so often. */
const RARE_SEEDS = 4;
const RARE_COURSES: readonly Course[] = ['deaf-removal', 'lost-word', 'fresh-install'];
const RARE = 0.3;
/** How often all machines lose power around the first configuration. */
const EARLY_CUTS = 0.1;
/** How often a fault waits until the chain is about to change, and for how long behind that at most, in ms. */
const BEHIND_CHANGES = 0.3;
const BEHIND_MS_MAX = 60;
/** How often a fault happens twice. */
const REPEATS = 0.15;
/** A run begins with this long of peace, in most runs enough for the first configuration. */
const PEACE_MS = 300;

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
  for (const course of seed % RARE_SEEDS === 0 ? RARE_COURSES : []) {
    const random = prng.fork(course);
    if (!random.chance(RARE)) continue;
    const atMs = random.between(PEACE_MS, setup.chaosMs - 1000);
    faults.push(...courseOf(course, { prng: random, setup, atMs }));
  }
  const withoutIds = prng.chance(RUNS_WITHOUT_IDS);
  return {
    seed,
    setup,
    faults,
    clients: clients.map((client) => (withoutIds ? { ...client, givesIds: false } : client)),
  };
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
    // A chain whose suspicion is quicker than its network flaps for ever (PROTOCOL.md §11), and one whose lease is can't read.
    slowness: prng.chance(0.5)
      ? 1
      : prng.between(1, Math.min(timing.suspectAfterMs / 8, timing.leaseMs / (2 * nodes))),
    linkQueuedBytesMax: prng.chance(0.3) ? 32_768 : null,
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
  for (let count = prng.below(flavour.coursesMax + 1); count > 0; count--) {
    // In some runs it is the last that happens.
    const atMs = prng.chance(0.2)
      ? setup.chaosMs - prng.between(50, 400)
      : prng.between(PEACE_MS, setup.chaosMs - 1000);
    faults.push(...courseOf(prng.pick(flavour.courses), { prng, setup, atMs }));
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
    case 'disk-hang':
      return { kind, who: anyone(prng, names), forMs };
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
    case 'add':
      return { kind, first: prng.chance(0.5) };
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

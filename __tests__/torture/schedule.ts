import type { Prng } from '../../src/base/prng.ts';
import type { Reads } from '../../src/protocol/configuration.ts';

/** How bytes fare from one process to another. `swallowed`: they never arrive, and the sender is told nothing. */
export type Trouble = 'stalled' | 'swallowed' | 'refused';

/** One direction between two processes. */
export interface Way {
  readonly from: string;
  readonly to: string;
}

/** What the topology is edited to. */
export interface Edit {
  readonly chain: readonly string[];
  readonly replicas: number;
  readonly reads: Reads;
  /** Whether a node that is not in the chain is taken out of the topology altogether. */
  readonly forget: boolean;
}

/** Something bad that is done, and how long it lasts. All times in ms. */
export type Fault =
  | { readonly kind: 'kill'; readonly victims: readonly { readonly name: string; readonly downMs: number }[] }
  | { readonly kind: 'pause'; readonly name: string; readonly forMs: number }
  | { readonly kind: 'break'; readonly a: string; readonly b: string }
  | {
      readonly kind: 'cut';
      readonly ways: readonly Way[];
      readonly trouble: Trouble;
      readonly forMs: number;
    }
  | { readonly kind: 'full-disk'; readonly forMs: number }
  | { readonly kind: 'clock'; readonly name: string; readonly jumpMs: number; readonly forMs: number }
  | { readonly kind: 'edit'; readonly edit: Edit };

/** A fault and when it begins, counted from the beginning of the round. */
export interface Planned {
  readonly atMs: number;
  readonly fault: Fault;
}

/** What can be done to whom. */
export interface Ground {
  readonly nodes: readonly string[];
  readonly coordinator: string;
  /** Those whose wall clocks can be made to jump. */
  readonly clocks: readonly string[];
  readonly smallDisk: boolean;
}

const FAULT_EVERY_MS = { least: 1000, most: 4000 };
const CALM_FIRST_MS = 1500;
const DISK_MS = { least: 3000, most: 7000 };
const PAUSES_MS = [100, 300, 700, 1500, 5000];
const STALLS_MS = [150, 400, 900, 2000, 5000];
/** A wall clock within 10 s of the log clock pulls it along, so it may be wrong for a short time only if times to live are to be held. */
const JUMPS = [
  { jumpMs: 1000, forMs: 4000 },
  { jumpMs: 5000, forMs: 4000 },
  { jumpMs: 30_000, forMs: 8000 },
  { jumpMs: 600_000, forMs: 8000 },
  { jumpMs: 3_600_000, forMs: 8000 },
];

type Draw = (random: Prng, ground: Ground, clock: string | null) => Fault;

/** How often each kind comes, among all. */
const KINDS: readonly { readonly weight: number; readonly draw: Draw }[] = [
  { weight: 20, draw: killOne },
  { weight: 5, draw: killSome },
  { weight: 3, draw: killAll },
  { weight: 5, draw: killCoordinator },
  { weight: 18, draw: pause },
  { weight: 8, draw: breakOff },
  { weight: 22, draw: cut },
  { weight: 8, draw: isolate },
  { weight: 6, draw: fullDisk },
  { weight: 10, draw: jump },
  { weight: 10, draw: edit },
];

/** The faults of one round, in the order of their beginnings; the same for the same numbers. */
export function planRound(random: Prng, ground: Ground, durationMs: number): readonly Planned[] {
  // One wrong clock at a time: two of four would be the median, which the chain believes (PROTOCOL.md §9).
  const clock = ground.clocks.length > 0 ? random.pick(ground.clocks) : null;
  const planned: Planned[] = [];
  let diskFreeMs = 0;
  let clockFreeMs = 0;
  for (let atMs = CALM_FIRST_MS; atMs < durationMs; ) {
    const fault = drawFault(random, ground, clock);
    const again =
      (fault.kind === 'full-disk' && atMs < diskFreeMs) || (fault.kind === 'clock' && atMs < clockFreeMs);
    if (!again) planned.push({ atMs: Math.round(atMs), fault });
    if (fault.kind === 'full-disk' && !again) diskFreeMs = durationMs;
    if (fault.kind === 'clock' && !again) clockFreeMs = atMs + 2 * fault.forMs;
    if (!again) atMs += random.between(FAULT_EVERY_MS.least, FAULT_EVERY_MS.most);
  }
  return planned;
}

/** In one line, for people. */
export function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case 'kill':
      return `kill -9 ${fault.victims.map(({ name, downMs }) => `${name} (back in ${downMs} ms)`).join(', ')}`;
    case 'pause':
      return `SIGSTOP ${fault.name} for ${fault.forMs} ms`;
    case 'break':
      return `break the connections between ${fault.a} and ${fault.b}`;
    case 'cut':
      return `${fault.trouble} for ${fault.forMs} ms: ${fault.ways.map(({ from, to }) => `${from}>${to}`).join(' ')}`;
    case 'full-disk':
      return `fill the small disk for ${fault.forMs} ms`;
    case 'clock':
      return `the wall clock of ${fault.name} jumps by ${fault.jumpMs} ms, and back after ${fault.forMs} ms`;
    case 'edit':
      return `edit: ${describeEdit(fault.edit)}`;
  }
}

/** A topology that is wanted, in a few words. */
export function describeEdit({ chain, replicas, reads, forget }: Edit): string {
  return `chain ${chain.join(',')}, ${replicas} replicas, reads ${reads}${forget ? ', the others forgotten' : ''}`;
}

/** An edit that is always possible, with these reads. */
export function drawEdit(random: Prng, nodes: readonly string[], reads: Reads): Edit {
  const left = random.shuffled(nodes);
  const short = random.chance(0.4);
  const chain = short ? left.slice(0, -1) : left;
  const replicas = random.chance(0.5) ? Math.min(3, chain.length) : chain.length;
  return { chain, replicas, reads, forget: short && random.chance(0.5) };
}

function drawFault(random: Prng, ground: Ground, clock: string | null): Fault {
  const possible = KINDS.filter(
    ({ draw }) => (draw !== fullDisk || ground.smallDisk) && (draw !== jump || clock !== null),
  );
  let at = random.below(possible.reduce((sum, { weight }) => sum + weight, 0));
  for (const { weight, draw } of possible) {
    if (at < weight) return draw(random, ground, clock);
    at -= weight;
  }
  return breakOff(random, ground);
}

function killOne(random: Prng, { nodes }: Ground): Fault {
  return { kind: 'kill', victims: [victim(random, random.pick(nodes))] };
}

function killSome(random: Prng, { nodes, coordinator }: Ground): Fault {
  const names = random.shuffled([...nodes, coordinator]).slice(0, 2 + random.below(2));
  return { kind: 'kill', victims: names.map((name) => victim(random, name)) };
}

function killAll(random: Prng, { nodes, coordinator }: Ground): Fault {
  return { kind: 'kill', victims: [...nodes, coordinator].map((name) => victim(random, name)) };
}

function killCoordinator(random: Prng, { coordinator }: Ground): Fault {
  return { kind: 'kill', victims: [victim(random, coordinator)] };
}

function victim(random: Prng, name: string): { name: string; downMs: number } {
  return { name, downMs: random.chance(0.3) ? 0 : random.below(3000) };
}

function pause(random: Prng, { nodes, coordinator }: Ground): Fault {
  const name = random.chance(0.1) ? coordinator : random.pick(nodes);
  return { kind: 'pause', name, forMs: spread(random, PAUSES_MS) };
}

function breakOff(random: Prng, ground: Ground): Fault {
  const [a, b] = pair(random, ground);
  return { kind: 'break', a, b };
}

function cut(random: Prng, ground: Ground): Fault {
  const [from, to] = pair(random, ground);
  const trouble = random.pick<Trouble>(['stalled', 'stalled', 'swallowed', 'refused']);
  const oneWay = random.chance(0.6);
  const ways = oneWay
    ? [{ from, to }]
    : [
        { from, to },
        { from: to, to: from },
      ];
  return { kind: 'cut', ways, trouble, forMs: spread(random, STALLS_MS) };
}

/** From everybody, or from everybody but the coordinator; one way or both. */
function isolate(random: Prng, { nodes, coordinator }: Ground): Fault {
  const name = random.pick(nodes);
  const others = nodes.filter((node) => node !== name);
  if (random.chance(0.6)) others.push(coordinator);
  const [out, back] = random.pick([
    [true, true],
    [true, false],
    [false, true],
  ]);
  const ways = others.flatMap((other) => [
    ...(out ? [{ from: name, to: other }] : []),
    ...(back ? [{ from: other, to: name }] : []),
  ]);
  const trouble = random.pick<Trouble>(['stalled', 'swallowed']);
  return { kind: 'cut', ways, trouble, forMs: spread(random, STALLS_MS) };
}

function fullDisk(random: Prng): Fault {
  return { kind: 'full-disk', forMs: Math.round(random.between(DISK_MS.least, DISK_MS.most)) };
}

function jump(random: Prng, ground: Ground, clock: string | null): Fault {
  const { jumpMs, forMs } = random.pick(JUMPS);
  const way = random.chance(0.5) ? 1 : -1;
  const name = clock ?? ground.coordinator;
  return { kind: 'clock', name, jumpMs: way * jumpMs, forMs: Math.round(random.between(500, forMs)) };
}

function edit(random: Prng, { nodes }: Ground): Fault {
  return { kind: 'edit', edit: drawEdit(random, nodes, random.pick<Reads>(['tail', 'any'])) };
}

function pair(random: Prng, { nodes, coordinator }: Ground): readonly [string, string] {
  const [a = '', b = ''] = random.shuffled(random.chance(0.25) ? [coordinator, random.pick(nodes)] : nodes);
  return [a, b];
}

/** Up to one of these, so that short and long ones are about equally many. */
function spread(random: Prng, limitsMs: readonly number[]): number {
  const limitMs = random.pick(limitsMs);
  return Math.round(random.between(limitMs / 2, limitMs));
}

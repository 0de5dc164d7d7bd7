import { unreachable } from '../base/assert.ts';
import type { Prng } from '../base/prng.ts';
import { COORDINATOR, type Fault, type FaultKind, type Setup, type Target } from './plan.ts';

/** Several faults, each in its time: what chance alone would hardly ever bring together. */
export type Course =
  /** The head loses what its disk was slow to take, and is back before anybody missed it; then the tail is cut off too. */
  | 'torn-head'
  /** A reorder while a disk hangs: the seal can't get quiet. */
  | 'stuck-seal'
  /** The member before the tail hears nothing of the drop of a tail that lives on, only of what is chosen next. */
  | 'skipped-epoch'
  /** A tail that lives on is dropped, the lease is shortened, and the member before it starts again. */
  | 'shortened-lease'
  /** The same, and a node made a moment ago becomes the tail. */
  | 'fresh-tail'
  /** The tail is taken out of the topology, and does not hear that it is to stop. */
  | 'deaf-removal'
  /** All lose power, and the coordinator its register, when a configuration has just been told. */
  | 'lost-word'
  /** A node made a moment ago joins by a snapshot, and loses power in the midst of it. */
  | 'fresh-install'
  /** The joiner loses power while its slow disk puts a snapshot in place. */
  | 'cut-install';

interface Where {
  readonly prng: Prng;
  readonly setup: Setup;
  readonly atMs: number;
}

const HEAD: Target = { place: 'head' };
const BEFORE_TAIL: Target = { place: 'before-tail' };
const TAIL: Target = { place: 'tail' };
const JOINER: Target = { place: 'joiner' };
const C1: Target = { name: COORDINATOR };

/** The faults of a course that begins at a time. */
export function courseOf(course: Course, where: Where): Fault[] {
  switch (course) {
    case 'torn-head':
      return tornHead(where);
    case 'stuck-seal':
      return stuckSeal(where);
    case 'skipped-epoch':
      return skippedEpoch(where);
    case 'shortened-lease':
      return shortenedLease(where);
    case 'fresh-tail':
      return freshTail(where);
    case 'deaf-removal':
      return deafRemoval(where);
    case 'lost-word':
      return lostWord(where);
    case 'fresh-install':
      return freshInstall(where);
    case 'cut-install':
      return cutInstall(where);
    default:
      return unreachable(course);
  }
}

function tornHead({ prng, atMs }: Where): Fault[] {
  const slow = (who: Target): FaultKind => ({
    kind: 'slow-disk',
    who,
    factor: prng.pick([30, 100, 300]),
    forMs: 200 + prng.below(500),
  });
  const cut = (who: Target, forMs: number): FaultKind => ({ kind: 'crash', who, power: true, forMs });
  const headMs = 20 + prng.below(120);
  const faults = [at(atMs, slow(HEAD)), at(atMs + headMs, cut(HEAD, 1 + prng.below(40)))];
  const hang: FaultKind = { kind: 'disk-hang', who: TAIL, forMs: 200 + prng.below(1500) };
  if (prng.chance(0.8)) faults.unshift(at(atMs, prng.chance(0.3) ? slow(TAIL) : hang));
  if (prng.chance(0.7)) {
    faults.push(at(atMs + headMs + 60 + prng.below(300), cut(TAIL, 1 + prng.below(200))));
  }
  return faults;
}

function stuckSeal({ prng, setup, atMs }: Where): Fault[] {
  const forMs = setup.timing.suspectAfterMs + 2000 + prng.below(2500);
  return [
    at(atMs, { kind: 'disk-hang', who: prng.pick([HEAD, BEFORE_TAIL, TAIL]), forMs }),
    at(atMs + 50 + prng.below(200), { kind: 'edit', edit: { kind: 'reorder', turn: 1 + prng.below(20) } }),
  ];
}

/** The coordinator takes the tail for dead within some 75 ms, though it lives and its lease holds. */
function lostTail({ prng, setup, atMs }: Where): Fault[] {
  const forMs = Math.round(setup.timing.leaseMs * prng.between(0.8, 1.6));
  return [
    at(atMs, { kind: 'refuse', from: TAIL, to: C1, breaks: false, forMs }),
    at(atMs, { kind: 'refuse', from: C1, to: TAIL, breaks: true, forMs }),
  ];
}

function skippedEpoch(where: Where): Fault[] {
  const { prng, setup, atMs } = where;
  const forMs = 60 + prng.below(setup.timing.suspectAfterMs);
  const deaf: FaultKind = { kind: 'refuse', from: BEFORE_TAIL, to: C1, breaks: true, forMs };
  const next: FaultKind = {
    kind: 'edit',
    edit: prng.pick([{ kind: 'lease', leaseMs: 500 }, { kind: 'reads' }, { kind: 'reads' }]),
  };
  return [...lostTail(where), at(atMs + prng.below(60), deaf), at(atMs + 60 + prng.below(150), next)];
}

function shortenedLease(where: Where): Fault[] {
  const { prng, setup, atMs } = where;
  const editMs = atMs + 60 + prng.below(150);
  const again: FaultKind = { kind: 'crash', who: BEFORE_TAIL, power: false, forMs: 1 + prng.below(30) };
  return [
    ...lostTail(where),
    at(editMs, { kind: 'edit', edit: { kind: 'lease', leaseMs: 50 } }),
    at(editMs + 20 + prng.below(100), again),
    at(atMs + 2 * setup.timing.leaseMs, {
      kind: 'edit',
      edit: { kind: 'lease', leaseMs: setup.timing.leaseMs },
    }),
  ];
}

function freshTail(where: Where): Fault[] {
  const { prng, setup, atMs } = where;
  const editMs = atMs + 60 + prng.below(100);
  return [
    ...lostTail(where),
    at(editMs, { kind: 'edit', edit: { kind: 'lease', leaseMs: 50 } }),
    at(editMs + prng.below(60), { kind: 'edit', edit: { kind: 'add', first: true } }),
    at(atMs + 2 * setup.timing.leaseMs, {
      kind: 'edit',
      edit: { kind: 'lease', leaseMs: setup.timing.leaseMs },
    }),
  ];
}

function deafRemoval({ prng, setup, atMs }: Where): Fault[] {
  const forMs = Math.round(setup.timing.leaseMs * prng.between(0.5, 1.5));
  return [
    at(atMs, { kind: 'stall', a: C1, b: TAIL, bothWays: false, forMs }),
    at(atMs + prng.below(30), { kind: 'edit', edit: { kind: 'remove', who: TAIL } }),
  ];
}

function lostWord({ prng, setup, atMs }: Where): Fault[] {
  const forMs = Array.from({ length: setup.nodes + 1 }, () => 1 + prng.below(400));
  const edit: FaultKind = {
    kind: 'edit',
    edit: prng.pick([{ kind: 'reads' }, { kind: 'remove', who: TAIL }]),
  };
  const cut: FaultKind = { kind: 'power-cut', coordinator: 'loses its register', forMs };
  return [at(atMs, cut, prng.below(12)), at(atMs + 1, edit)];
}

function freshInstall({ prng, atMs }: Where): Fault[] {
  const slow: FaultKind = { kind: 'slow-disk', who: JOINER, factor: prng.pick([10, 30, 100]), forMs: 1500 };
  const cut: FaultKind = { kind: 'crash', who: JOINER, power: true, forMs: 1 + prng.below(100) };
  return [
    at(atMs, { kind: 'edit', edit: { kind: 'add', first: true } }),
    at(atMs, slow, 0),
    at(atMs, cut, 10 + prng.below(900)),
  ];
}

function cutInstall({ prng, atMs }: Where): Fault[] {
  const leaveMs = 300 + prng.below(1200);
  const slow: FaultKind = { kind: 'slow-disk', who: JOINER, factor: prng.pick([30, 100, 300]), forMs: 1500 };
  const cut: FaultKind = { kind: 'crash', who: JOINER, power: true, forMs: 1 + prng.below(100) };
  return [
    at(atMs, { kind: 'crash', who: prng.pick([TAIL, BEFORE_TAIL]), power: false, forMs: leaveMs }),
    at(atMs + leaveMs - 1, slow, 0),
    at(atMs + leaveMs - 1, cut, 20 + prng.below(1200)),
  ];
}

function at(atMs: number, kind: FaultKind, behindChangeMs: number | null = null): Fault {
  return { atMs: Math.round(atMs), behindChangeMs, ...kind };
}

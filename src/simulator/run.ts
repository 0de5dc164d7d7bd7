import { Prng } from '../base/prng.ts';
import type { Violation } from './checks.ts';
import { emptyTally, SimClient, type Tally } from './client.ts';
import { Faults } from './faults.ts';
import type { Call } from './history.ts';
import { pictureOf } from './history-picture.ts';
import { checkHistory } from './linearizability.ts';
import { COORDINATOR, type Fault, type Plan } from './plan.ts';
import { SealWatch } from './seal-watch.ts';
import { Settling } from './settling.ts';
import { type Trace, World } from './world.ts';

/** Turns of the event loop that are asked for at once: each lets one event happen and then all that it promised. */
const TURNS_AT_ONCE = 64;
/** More than any run takes by far: one that gets here goes round in circles without time going by. */
const EVENTS_MAX = 5_000_000;

/** Of keys with an expiry, where all clocks are right. */
const PUNCTUAL = { earliestPart: 0.85, latestPart: null, slackMs: 500 };
/** These make a clock wrong, or a configuration late. */
const HOLDS_UP: ReadonlySet<Fault['kind']> = new Set([
  'clock-jump',
  'pause',
  'stall',
  'refuse',
  'partition',
  'slow-disk',
  'disk-hang',
]);
/** Where log time may leap. */
const AT_ANY_TIME = { earliestPart: 0, latestPart: null, slackMs: 0 };

/** What went wrong in a run, and where. */
export interface Failure extends Violation {
  /** The event after which it showed, counted from 1. */
  readonly step: number;
  /** In ms of the world. */
  readonly atMs: number;
}

/** What a run was. */
export interface Result {
  readonly seed: number;
  readonly failure: Failure | null;
  readonly events: number;
  /** Of the world. */
  readonly simulatedMs: number;
  /** How long after the end of the faults the chain was whole and every client answered. */
  readonly settledMs: number;
  readonly configurations: number;
  readonly committed: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly calls: Tally;
  /** The checker did not come to an end for some keys. */
  readonly gaveUp: boolean;
}

/** Plays a plan to its end, or to the first thing that goes wrong. */
export async function run(plan: Plan, { trace = () => {} }: { trace?: Trace } = {}): Promise<Result> {
  const prng = new Prng(plan.seed).fork('world');
  const world = new World({ setup: plan.setup, prng, trace });
  const history: Call[] = [];
  const clients = plan.clients.map(
    (client) =>
      new SimClient(client, {
        host: world,
        scheduler: world.scheduler,
        prng: prng.fork(`client ${client.name}`),
        record: (call) => {
          world.say(() => `call ${JSON.stringify(call)}`);
          history.push(call);
        },
      }),
  );
  const faults = new Faults(world);
  new SealWatch(world);
  const settling = new Settling(world, { faults, clients, record: (call) => history.push(call) });
  for (const name of [COORDINATOR, ...world.file.nodes]) world.start(name);
  faults.plan(plan.faults);
  for (const client of clients) client.start();
  settling.beginAfter(plan.setup.chaosMs);
  const events = await play(world, () => settling.over || world.checks.violation !== null);
  const gaveUp = judge(world, history, plan);
  const { violation } = world.checks;
  return {
    seed: plan.seed,
    failure: violation && { ...violation, step: events, atMs: world.scheduler.nowMs },
    events,
    simulatedMs: world.scheduler.nowMs,
    settledMs: Math.max(0, world.scheduler.nowMs - plan.setup.chaosMs),
    configurations: world.checks.configurations,
    committed: world.checks.committed,
    faults: faults.counts,
    calls: sumOf(clients.map((client) => client.tally)),
    gaveUp,
  };
}

/** I5: what clients were told is linearizable. @returns whether the checker gave up. */
function judge(world: World, history: readonly Call[], plan: Plan): boolean {
  if (world.checks.violation !== null) return false;
  const verdict = checkHistory(history, { expiry: clocksAgree(plan) ? PUNCTUAL : AT_ANY_TIME });
  if (verdict.kind === 'no') world.checks.violate('I5', `not linearizable:\n${pictureOf(verdict.part)}`);
  return verdict.kind === 'gave-up';
}

/**
 * Whether log time keeps up with the world's: all clocks are right, and nothing holds up a configuration on its way to the head,
 * whose clock starts at the time that it was chosen. PROTOCOL.md §9.
 */
function clocksAgree({ setup, faults }: Plan): boolean {
  const right = Object.values(setup.clocks).every(({ rate, wallOffMs }) => rate === 1 && wallOffMs === 0);
  return right && faults.every(({ kind }) => !HOLDS_UP.has(kind));
}

/**
 * Lets event after event happen, each in a turn of its own, so that everything which an event promises is carried out before
 * the next: the course depends on nothing but the plan.
 */
function play(world: World, isOver: () => boolean): Promise<number> {
  return new Promise((resolve) => {
    let events = 0;
    let asked = 0;
    let over = false;
    const rejected = (error: unknown): void => world.crashed('a promise', error);
    process.on('unhandledRejection', rejected);
    const end = (): void => {
      over = true;
      process.off('unhandledRejection', rejected);
      resolve(events);
    };
    const turn = (): void => {
      asked -= 1;
      if (over) return;
      if (isOver() || events >= EVENTS_MAX) {
        if (events >= EVENTS_MAX) world.checks.violate('I6', `no end after ${EVENTS_MAX} events`);
        return end();
      }
      try {
        if (!world.scheduler.step()) return end();
      } catch (error) {
        world.crashed('the world', error);
      }
      events += 1;
      if (asked === 0) ask();
    };
    const ask = (): void => {
      for (; asked < TURNS_AT_ONCE; asked++) setImmediate(turn);
    };
    ask();
  });
}

function sumOf(tallies: readonly Tally[]): Tally {
  const sum = emptyTally();
  for (const tally of tallies) {
    for (const name of Object.keys(sum) as (keyof Tally)[]) sum[name] += tally[name];
  }
  return sum;
}

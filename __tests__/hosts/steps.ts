import { type BadCable, cables, type Way } from './cables.ts';
import { type Course, Violation } from './course.ts';
import { COORDINATOR, NODES } from './places.ts';

/** How long the chain may take to go on without a member, and to be whole again. */
const WITHOUT_MS_MAX = 15_000;
const WHOLE_MS_MAX = 30_000;
/** Nothing commits without a member that is cut off: a shorter gap means that the cut was none. */
const FELT_MS = 250;
/** A node tries for 1 s to have a read answered that it sends on, for 5 s a write; and some time for a slow machine. */
const SENT_ON_MS_MAX = { GET: 2500, PUT: 6500 };
/** Reads and writes that show that a chain serves without its coordinator. */
const SERVED = 200;
const ALL_CUT_MS = 3000;
const BAD_CABLE_MS = 4000;
const GAP_MS_MAX = 5000;

const SLOW_AND_LOSSY: BadCable = {
  what: 'slow (20 ms) and lossy (2 %)',
  queue: ['netem', 'delay', '20ms', 'loss', '2%'],
};
/** Packets queue up in it, and those that would wait for too long are lost. */
const THIN: BadCable = {
  what: 'thin (200 kbit/s; what would wait for more than 50 ms is lost)',
  queue: ['tbf', 'rate', '200kbit', 'burst', '2kb', 'latency', '50ms'],
};

/** What the coordinator's `GET /status` says of each node. */
type Sights = Readonly<Record<string, { readonly heard: boolean; readonly linked?: boolean }>>;
type Role = 'head' | 'middle' | 'tail';
type Chain = Readonly<Record<Role, string>>;

/** All steps, in an order in which each node's cable is pulled once before one is pulled again. */
export async function playAll(course: Course): Promise<void> {
  for (const role of ['tail', 'middle', 'head'] as const) await pullCable(course, role);
  await cutBetween(course, {
    title: 'what the head sends the middle is lost, and nothing else',
    pair: ({ head, middle }) => [head, middle],
    cut: async (a, b) => [await cables.lose({ from: a, to: b })],
  });
  await cutBetween(course, {
    title: 'middle and tail can not reach each other, and everybody else can',
    pair: ({ middle, tail }) => [middle, tail],
    cut: (a, b) => blockBoth({ from: a, to: b }),
  });
  await loseCoordinator(course);
  await cutAll(course);
  await badCable(course, SLOW_AND_LOSSY);
  await badCable(course, THIN);
}

async function pullCable(course: Course, role: Role): Promise<void> {
  const { bed } = course;
  const host = (await wholeChain(course))[role];
  await course.step(`the cable of the ${role} ${host} is pulled`, async () => {
    const others = (await bed.members()).filter((member) => member !== host);
    const sendOn = await readyToSendOn(course, role, others);
    const fromMs = performance.now();
    await cables.pull(host);
    const sentOn = sendOn();
    // It is waited for below; until then nobody listens.
    sentOn.catch(() => {});
    const dropMs = await course.until(`the chain is one without ${host}`, WITHOUT_MS_MAX, async () => {
      const members = await bed.members();
      return members.includes(host) ? members.join(', ') : null;
    });
    await course.writesGoOn(WITHOUT_MS_MAX);
    const writtenMs = performance.now();
    const gapMs = course.crowd.longestGapMs(fromMs, writtenMs);
    if (gapMs < FELT_MS)
      throw new Violation(`writes went on while the cable of ${host} was out (${gapMs} ms)`);
    const { reason } = (await bed.history()).at(-1) ?? {};
    const chain = (await bed.members()).join(', ');
    course.say(`   the chain is ${chain} after ${dropMs} ms (${reason}), and takes writes again`);
    // By then neither end waits any more for the other, and what comes back has to find its way anew.
    await course.until(`the coordinator has given ${host} up`, WITHOUT_MS_MAX, async () => {
      const { nodes } = await bed.status(COORDINATOR);
      const { linked } = (nodes as Sights)[host] ?? {};
      return linked === false ? null : `its connection is ${linked === true ? 'kept' : 'unknown'}`;
    });
    await sentOn;
    course.cutOff.push({ host, fromMs, toMs: performance.now() });
    await cables.plug(host);
    await tellWhole(course);
  });
}

/**
 * For a caller that can't follow redirects: a node sends its request on to the head or the tail, over a connection that is kept.
 * @returns what makes such a request, which has to be answered in time although this end of the connection is lost.
 */
async function readyToSendOn(
  course: Course,
  role: Role,
  [by = '']: readonly string[],
): Promise<() => Promise<void>> {
  if (role === 'middle') return async () => {};
  const method = role === 'head' ? 'PUT' : 'GET';
  const { bed } = course;
  await bed.sendOn(by, method);
  return async () => {
    const { status, tookMs } = await bed.sendOn(by, method);
    const words = `a ${method} that ${by} had to send on was answered with ${status} after ${tookMs} ms`;
    if (tookMs > SENT_ON_MS_MAX[method]) throw new Violation(`${words}: more than it may take`);
    course.say(`   ${words}`);
  };
}

interface Cut {
  readonly title: string;
  readonly pair: (chain: Chain) => readonly [string, string];
  /** @returns what mends it. */
  readonly cut: (a: string, b: string) => Promise<readonly (() => Promise<void>)[]>;
}

/** While both hear the coordinator and the third. */
async function cutBetween(course: Course, { title, pair, cut }: Cut): Promise<void> {
  const { bed } = course;
  const [a, b] = pair(await wholeChain(course));
  await course.step(`${title} (${a}, ${b})`, async () => {
    const mends = await cut(a, b);
    const apartMs = await course.until(`${a} and ${b} are no neighbours`, WITHOUT_MS_MAX, async () => {
      const members = await bed.members();
      return areNeighbours(members, a, b) ? members.join(', ') : null;
    });
    await course.writesGoOn(WITHOUT_MS_MAX);
    const { reason } = (await bed.history()).at(-1) ?? {};
    const chain = (await bed.members()).join(', ');
    course.say(`   the chain is ${chain} after ${apartMs} ms (${reason}), and takes writes again`);
    for (const mend of mends) await mend();
    await tellWhole(course);
  });
}

async function blockBoth({ from, to }: Way): Promise<readonly (() => Promise<void>)[]> {
  return [await cables.block({ from, to }), await cables.block({ from: to, to: from })];
}

async function loseCoordinator(course: Course): Promise<void> {
  const { bed, crowd } = course;
  await wholeChain(course);
  await course.step(`the cable of the coordinator ${COORDINATOR} is pulled`, async () => {
    const before = await bed.view();
    await cables.pull(COORDINATOR);
    await course.until('every node has given the coordinator up', WITHOUT_MS_MAX, async () => {
      const states = await Promise.all(NODES.map((node) => bed.status(node)));
      const still = states.filter(({ coordinator }) => (coordinator as { connected: boolean }).connected);
      return still.length === 0 ? null : `${still.map(({ node }) => node).join(', ')} had not`;
    });
    const fromMs = performance.now();
    const tookMs = await course.until('reads and writes go on', WITHOUT_MS_MAX, async () => {
      const [writes, reads] = [crowd.writesSince(fromMs), crowd.readsSince(fromMs)];
      return writes >= SERVED && reads >= SERVED ? null : `${writes} writes, ${reads} reads`;
    });
    course.say(`   without a coordinator: ${SERVED} reads and ${SERVED} writes within ${tookMs} ms`);
    await cables.plug(COORDINATOR);
    const heardMs = await course.until('the coordinator hears all nodes', WHOLE_MS_MAX, async () => {
      const { nodes } = await bed.status(COORDINATOR);
      const silent = NODES.filter((node) => (nodes as Sights)[node]?.heard !== true);
      return silent.length === 0 ? null : `not ${silent.join(', ')}`;
    });
    await tellWhole(course);
    const epoch = before.configuration?.epoch ?? 0;
    const chosen = (await bed.history()).filter((item) => item.epoch > epoch);
    course.say(`   it heard all nodes ${heardMs} ms after, and chose ${chosen.length} new configurations`);
    for (const { change, reason } of chosen) course.say(`     ${change}: ${reason}`);
  });
}

async function cutAll(course: Course): Promise<void> {
  await course.step(`the cables of ${[...NODES, COORDINATOR].join(', ')} are pulled at once`, async () => {
    await cables.pull(...NODES, COORDINATOR);
    await course.last(ALL_CUT_MS);
    await cables.plug(...NODES, COORDINATOR);
    await tellWhole(course);
    await course.writesGoOn(WITHOUT_MS_MAX);
  });
}

/** At the middle, where it holds up entries on their way down and acknowledgements on their way up. */
async function badCable(course: Course, cable: BadCable): Promise<void> {
  const { middle: host } = await wholeChain(course);
  if (!(await cables.spoil(host, cable))) {
    return course.notDone(
      `no cable is ${cable.what}: this machine has no tc, or a kernel without ${cable.queue[0]}`,
    );
  }
  await course.step(`the cable of the middle ${host} is ${cable.what}`, async () => {
    const fromMs = performance.now();
    await course.last(BAD_CABLE_MS);
    await course.writesGoOn(WITHOUT_MS_MAX);
    const lost = await cables.lost(host);
    const gapMs = course.crowd.longestGapMs(fromMs, performance.now());
    await cables.unspoil(host);
    if (lost === 0) throw new Violation('the bad cable lost nothing');
    if (gapMs > GAP_MS_MAX) throw new Violation(`no write was acknowledged for ${gapMs} ms`);
    course.say(`   ${lost} packets were lost, and writes went on`);
    await tellWhole(course);
  });
}

async function tellWhole(course: Course): Promise<void> {
  const tookMs = await course.until('the chain is whole', WHOLE_MS_MAX, () => course.bed.whatIsNotWhole());
  const members = await course.bed.members();
  course.say(`   mended: the chain is ${members.join(', ')} again, ${tookMs} ms after`);
}

/** Who is where; a step before may have left something that comes right by itself. */
async function wholeChain(course: Course): Promise<Chain> {
  await course.until('the chain is whole', WHOLE_MS_MAX, () => course.bed.whatIsNotWhole());
  const [head = '', middle = '', tail = ''] = await course.bed.members();
  return { head, middle, tail };
}

function areNeighbours(members: readonly string[], a: string, b: string): boolean {
  const [at, place] = [members.indexOf(a), members.indexOf(b)];
  return at >= 0 && place >= 0 && Math.abs(at - place) === 1;
}

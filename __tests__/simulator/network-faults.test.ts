import { Prng } from '../../src/base/prng.ts';
import { connected, NetworkWorld, WINDOW_BYTES } from './network-harness.ts';

const SEEDS = Array.from({ length: 100 }, (_, i) => i + 1);

describe('a refusal', () => {
  test('turns away new connections in one direction, until it is lifted; what stands goes on', async () => {
    const { world, accepted, near, far } = await connected();
    const otherWay = await world.accept('a');
    world.network.refuse('a', 'b');
    near.send('there');
    far.send('back');
    const { failed, outcome } = world.dial('a', 'b');
    await world.connect('b', 'a', otherWay);
    await world.connect('b', 'a', otherWay);
    await world.pass(100);
    expect([far.text, near.text]).toEqual(['there', 'back']);
    expect([failed.length > 0, outcome.heard, accepted.length]).toEqual([true, null, 1]);
    expect((await world.knock('a', 'b', 1000)).found).toBe('refused');
    world.network.admit('a', 'b');
    await world.until(() => outcome.heard !== null);
  });
});

describe('a cut', () => {
  test('holds back one direction alone, and what waited arrives in order when it is mended', async () => {
    const { world, near, far } = await connected();
    world.network.cut('a', 'b');
    near.send('1');
    await world.pass(500);
    near.send('2');
    far.send('through');
    await world.pass(500);
    expect([far.text, near.text]).toEqual(['', 'through']);
    world.network.mend('a', 'b');
    near.send('3');
    await world.rest();
    expect(far.text).toBe('123');
  });

  test('touches no other pair of machines', async () => {
    const { world, accepted } = await connected();
    world.network.cut('a', 'b');
    world.network.cut('b', 'a');
    const { near, far } = await world.connect('c', 'b', accepted);
    near.send('hello');
    await world.rest();
    expect(far.text).toBe('hello');
  });

  test('that was long makes some connections fail and others deliver everything; a short one, none', async () => {
    const fates = { long: new Set<string>(), short: new Set<string>() };
    for (const [name, ms] of [
      ['long', 10_000],
      ['short', 1000],
    ] as const) {
      for (const seed of SEEDS) {
        const { world, near, far } = await connected(seed);
        world.network.cut('a', 'b');
        near.send('waiting');
        await world.pass(ms);
        world.network.mend('a', 'b');
        await world.rest();
        expect(far.closed).toHaveLength(near.closed.length);
        fates[name].add(far.closed.length > 0 ? 'failed' : far.text);
      }
    }
    expect(fates).toEqual({ long: new Set(['failed', 'waiting']), short: new Set(['waiting']) });
  });
});

describe('a stall', () => {
  test('holds back the connections that stand, for any time; new ones flow', async () => {
    const { world, accepted, near, far } = await connected();
    world.network.stall('a', 'b');
    near.send('old');
    const fresh = await world.connect('a', 'b', accepted);
    fresh.near.send('new');
    far.send('other way');
    await world.pass(60_000);
    expect([far.text, fresh.far.text, near.text]).toEqual(['', 'new', 'other way']);
    world.network.flow('a', 'b');
    await world.rest();
    expect([far.text, far.closed]).toEqual(['old', []]);
  });

  test('holds back what is on its way already, as a cut does', async () => {
    for (const hold of ['stall', 'cut'] as const) {
      const { world, near, far } = await connected();
      near.send('x');
      world.network[hold]('a', 'b');
      await world.pass(1000);
      expect(far.text).toBe('');
      world.network.healAll();
      await world.rest();
      expect(far.text).toBe('x');
    }
  });

  test('outlasts a cut that ends, and a cut outlasts a stall', async () => {
    const { world, near, far } = await connected();
    world.network.stall('a', 'b');
    world.network.cut('a', 'b');
    near.send('x');
    world.network.mend('a', 'b');
    await world.pass(1000);
    expect(far.text).toBe('');
    world.network.cut('a', 'b');
    world.network.flow('a', 'b');
    await world.pass(1000);
    expect(far.text).toBe('');
    world.network.mend('a', 'b');
    await world.rest();
    expect(far.text).toBe('x');
  });

  test('costs no events while it lasts', async () => {
    const { world, near } = await connected();
    world.network.stall('a', 'b');
    for (let i = 0; i < 100; i++) near.send('x'.repeat(1000));
    expect(await world.rest()).toBe(0);
  });
});

test('healing ends every cut, stall and refusal', async () => {
  const { world, accepted, near, far } = await connected();
  world.network.stall('a', 'b');
  world.network.cut('b', 'a');
  world.network.refuse('c', 'b');
  near.send('there');
  far.send('back');
  await world.pass(1000);
  world.network.healAll();
  await world.connect('c', 'b', accepted);
  await world.connect('a', 'b', accepted);
  await world.rest();
  expect([far.text, near.text]).toEqual(['there', 'back']);
});

describe('a broken connection', () => {
  test('is told to both ends once, each in its own moment, even across a cut; others stay', async () => {
    const { world, accepted, near, far } = await connected();
    const other = await world.connect('c', 'b', accepted);
    world.network.cut('a', 'b');
    world.network.breakBetween('b', 'a');
    near.send('lost');
    await world.rest();
    const reset = ['the other end broke the connection (ECONNRESET)'];
    expect([near.closed, far.closed, far.text]).toEqual([reset, reset, '']);
    expect(near.lastMs).not.toBe(far.lastMs);
    expect(other.near.closed).toEqual([]);
  });

  test('loses what was on its way from some place on, or nothing', async () => {
    const arrived = new Set<string>();
    for (const seed of SEEDS) {
      const { world, near, far } = await connected(seed);
      near.send('1');
      await world.pass(0.04);
      near.send('2');
      world.network.breakBetween('a', 'b');
      await world.rest();
      arrived.add(far.text);
    }
    expect([...arrived].sort()).toEqual(['', '1', '12']);
  });

  test('that was just made is handed over and fails then', async () => {
    const world = new NetworkWorld();
    const accepted = await world.accept('b');
    const { outcome } = world.dial('a', 'b');
    await world.until(() => accepted.length === 1);
    world.network.breakBetween('a', 'b');
    await world.rest();
    expect([outcome.heard?.closed.length, accepted[0]?.closed.length]).toEqual([1, 1]);
  });
});

describe('a process that is killed', () => {
  test('is told to the others after a moment, and hears and says nothing any more', async () => {
    const reasons = new Set<string>();
    for (const seed of SEEDS) {
      const { world, near, far } = await connected(seed);
      near.send('to the dead');
      const killedMs = world.scheduler.nowMs;
      world.kill('b');
      far.send('from the dead');
      far.connection.close();
      await world.rest();
      expect([near.text, near.closed.length, far.text, far.closed]).toEqual(['', 1, '', []]);
      expect(near.lastMs).toBeGreaterThan(killedMs);
      for (const reason of near.closed) reasons.add(reason);
    }
    expect(reasons.size).toBe(2);
  });

  test('leaves on the way what it had said, or a first part of it', async () => {
    const arrived = new Set<string>();
    for (const seed of SEEDS) {
      const { world, near, far } = await connected(seed);
      far.send('said');
      world.kill('b');
      await world.rest();
      arrived.add(near.text);
    }
    expect([...arrived].sort()).toEqual(['', 'said']);
  });

  test('gets no answers to what it dialled, knocked or listened for', async () => {
    const world = new NetworkWorld();
    const accepted = await world.accept('b');
    const { failed, outcome } = world.dial('a', 'b');
    const dead = world.transport('a');
    world.kill('a');
    let answered = false;
    const answer = () => {
      answered = true;
    };
    dead.knock('b:7', { withinMs: 100 }).then(answer, answer);
    dead.accept({ hosts: [], port: 8 }, () => {}).then(answer, answer);
    await world.rest();
    expect([failed, outcome, answered, accepted]).toEqual([[], { heard: null, error: null }, false, []]);
    world.boot('a');
    await world.transport('a').accept({ hosts: [], port: 8 }, () => {});
  });
});

describe('a machine that loses its power', () => {
  test('tells nobody: connections stand, what is sent vanishes, and dials get no answer', async () => {
    const { world, near, far } = await connected();
    world.powerCut('b');
    expect(world.network.hasPower('b')).toBe(false);
    near.send('x'.repeat(100_000));
    const { failed } = world.dial('a', 'b');
    await world.pass(60_000);
    expect([near.closed, near.connection.bufferedBytes]).toEqual([[], 100_000 - WINDOW_BYTES]);
    expect(far.text).toBe('');
    expect(new Set(failed.map(({ reason }) => reason))).toEqual(new Set(['no answer within 2000 ms']));
  });

  test('answers old connections with a reset once it has power and something comes by them', async () => {
    const { world, near } = await connected();
    world.powerCut('b');
    await world.pass(1000);
    world.boot('b');
    await world.pass(10_000);
    expect(near.closed).toEqual([]);
    near.send('anybody?');
    await world.rest();
    expect(near.closed).toEqual(['the other end broke the connection (ECONNRESET)']);
  });

  test('answers soon to one that goes on sending, too', async () => {
    const { world, near } = await connected();
    world.powerCut('b');
    world.boot('b');
    const startMs = world.scheduler.nowMs;
    for (let i = 0; i < 2000 && near.closed.length === 0; i++) {
      near.send('x');
      await world.pass(0.02);
    }
    expect(near.closed).toHaveLength(1);
    expect(near.lastMs - startMs).toBeLessThan(20);
  });

  test('answers so as well, after a while, what had been sent in vain', async () => {
    const { world, near } = await connected();
    world.powerCut('b');
    near.send('anybody?');
    await world.pass(1000);
    expect(near.closed).toEqual([]);
    world.boot('b');
    const accepted = await world.accept('b');
    await world.connect('a', 'b', accepted);
    await world.rest();
    expect(near.closed).toHaveLength(1);
    expect(accepted[0]?.closed).toEqual([]);
  });

  test('leaves on the way a first part of what it had said', async () => {
    const arrived = new Set<string>();
    for (const seed of SEEDS) {
      const { world, near, far } = await connected(seed);
      far.send('1');
      await world.pass(0.04);
      far.send('2');
      world.powerCut('b');
      await world.rest();
      expect(near.closed).toEqual([]);
      arrived.add(near.text);
    }
    expect([...arrived].sort()).toEqual(['', '1', '12']);
  });
});

test('over any cuts, stalls and pauses all arrives in order, or a first part of it and then the end', async () => {
  const fates = new Set<string>();
  for (const seed of SEEDS) {
    const { arrived, sent, closed } = await ordeal(seed);
    expect(sent.startsWith(arrived)).toBe(true);
    expect(closed || arrived === sent).toBe(true);
    fates.add(closed ? 'closed' : 'whole');
  }
  expect(fates.size).toBe(2);
});

test('the same seed gives the same course, another one another', async () => {
  const [one, again, other] = [await ordeal(4711), await ordeal(4711), await ordeal(4712)];
  expect(again).toEqual(one);
  expect(other.course).not.toEqual(one.course);
});

/** A talker, a listener and what can happen between them. */
async function ordeal(seed: number) {
  const { world, near, far } = await connected(seed);
  const { network } = world;
  const prng = new Prng(seed).fork('ordeal');
  const events: (() => void)[] = [
    () => network.cut('a', 'b'),
    () => network.cut('b', 'a'),
    () => network.mend('a', 'b'),
    () => network.mend('b', 'a'),
    () => network.stall('a', 'b'),
    () => network.flow('a', 'b'),
    () => world.process('b').pause(),
    () => world.process('b').goOn(),
  ];
  let sent = '';
  const course: string[] = [];
  for (let i = 0; i < 60; i++) {
    const text = `${i},`.repeat(1 + prng.below(prng.chance(0.1) ? 20_000 : 5));
    near.send(text);
    sent += text;
    if (prng.chance(0.3)) prng.pick(events)();
    await world.pass(prng.chance(0.05) ? 3000 : prng.between(0, 2));
    course.push(`${world.scheduler.nowMs} ${far.pieces.length} ${far.lastMs}`);
  }
  world.process('b').goOn();
  network.healAll();
  await world.rest();
  course.push(`${world.scheduler.nowMs} ${far.pieces.map(({ length }) => length)}`);
  return { sent, arrived: far.text, closed: far.closed.length > 0, course };
}

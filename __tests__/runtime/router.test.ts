import { type Epoch, epoch, NO_EPOCH } from '../../src/base/ids.ts';
import type { Ticket } from '../../src/replica/events.ts';
import type { Replica } from '../../src/replica/replica.ts';
import type { Intent, Route } from '../../src/runtime/node-service.ts';
import { Router } from '../../src/runtime/router.ts';
import { at, configuration, incarnation, loneReplica } from '../support/chain-builders.ts';
import { settle } from '../support/coordinator-world.ts';

const [N1, N2] = [incarnation('n1'), incarnation('n2')];
const WAITERS_MAX = 4096;

function named(self: typeof N1): Replica {
  const replica = loneReplica(self);
  replica.step({ kind: 'told', configuration: configuration(2, [N1, N2]), topology: null }, at(0));
  replica.step({ kind: 'saved', save: 1 }, at(0));
  return replica;
}

/** Of a replica all that routing of reads looks at, to be set as the test likes. */
class Looks {
  readonly broken = null;
  readonly self = N1;
  readonly active = true;
  readonly role = 'middle';
  readonly stopped = false;
  readonly readOnly = null;
  readonly readFloor = 0;
  readonly committed = 0;
  serves = true;
  clean = false;
  configuration = { ...configuration(2, [N1, N2]), reads: 'any' };

  servesReads(): boolean {
    return this.serves;
  }
  isClean(): boolean {
    return this.clean;
  }
  lease() {
    return { needed: true, leftMs: this.serves ? 100 : 0 };
  }
}

/** A router over a replica that the test hands it, and what it asked and answered. */
class Case {
  nowMs = 0;
  replica: Replica | null = null;
  broken: string | null = null;
  readonly asked: Ticket[] = [];
  readonly routes: Route[] = [];
  readonly router = new Router({
    replica: () => this.replica,
    now: () => at(this.nowMs),
    broken: () => this.broken,
    newTicket: () => this.asked.length + 1,
    happened: (event) => {
      if (event.kind === 'ask') this.asked.push(event.ticket);
    },
  });

  constructor(replica: Replica | null = null) {
    this.replica = replica;
  }

  /** With a replica of which only the looks matter. */
  static over(looks: Looks): Case {
    return new Case(looks as unknown as Replica);
  }

  wait(intent: Intent, minEpoch: Epoch = NO_EPOCH): void {
    this.router.route(intent, minEpoch, ['k']).then(
      (route) => this.routes.push(route),
      () => undefined,
    );
  }

  async look(nowMs: number): Promise<void> {
    this.nowMs = nowMs;
    this.router.look();
    await settle();
  }

  async settled(ticket: Ticket): Promise<void> {
    this.router.settled(ticket);
    await settle();
  }
}

describe('a request that waits', () => {
  test.each([
    ['read', 1000],
    ['write', 5000],
  ] as const)('as a %s waits %d ms and not longer', async (intent, limitMs) => {
    const it = new Case(loneReplica(N1));
    it.nowMs = 100;
    it.wait(intent);
    await it.look(100 + limitMs - 1);
    expect(it.routes).toEqual([]);
    await it.look(100 + limitMs);
    expect(it.routes).toEqual([
      { kind: 'unavailable', code: 'NOT_READY', reason: expect.stringContaining('coordinator') },
    ]);
    expect(it.router.waiting).toBe(0);
  });

  test('is let go as soon as it can be said where to go, the others go on waiting', async () => {
    const it = new Case();
    it.wait('write');
    it.wait('write', epoch(9));
    it.replica = named(N2);
    await it.look(1);
    expect(it.routes).toEqual([{ kind: 'elsewhere', node: 'n1', epoch: 2 }]);
    expect(it.router.waiting).toBe(1);
  });

  test('and is too late but can be answered is answered', async () => {
    const it = new Case();
    it.wait('write');
    it.replica = named(N1);
    await it.look(99_999);
    expect(it.routes).toEqual([{ kind: 'here' }]);
  });

  test('is told during recovery that this is so, and of a recovery that failed at once', async () => {
    const it = new Case();
    it.wait('read');
    await it.look(1000);
    expect(it.routes).toEqual([{ kind: 'unavailable', code: 'RECOVERING', reason: expect.any(String) }]);
    it.wait('read');
    it.broken = 'the log makes no sense';
    await it.look(1001);
    expect(it.routes.at(-1)).toEqual({
      kind: 'unavailable',
      code: 'BROKEN',
      reason: 'the log makes no sense',
    });
    expect(it.router.routeNow('read', NO_EPOCH, null)).toMatchObject({ code: 'BROKEN' });
  });

  test('is sent away when the node stops', async () => {
    const it = new Case();
    it.wait('read');
    it.wait('write');
    it.router.endAll('this node is stopping');
    await settle();
    expect(it.routes.map(({ kind }) => kind)).toEqual(['unavailable', 'unavailable']);
    expect(it.router.waiting).toBe(0);
  });

  test('one more than there may be is sent away at once, and there is room again when the others are gone', async () => {
    const it = new Case(loneReplica(N1));
    for (let n = 0; n < WAITERS_MAX; n++) it.wait('read');
    expect(await it.router.route('read', NO_EPOCH, null)).toMatchObject({ code: 'OVERLOADED' });
    expect(it.router.waiting).toBe(WAITERS_MAX);
    await it.look(1000);
    it.wait('read');
    expect(it.router.waiting).toBe(1);
  });
});

describe('a read of a key with a write under way', () => {
  test('asks the tail once, and is served when that is settled', async () => {
    const it = Case.over(new Looks());
    expect(it.router.routeNow('read', NO_EPOCH, ['k'])).toBeNull();
    it.wait('read');
    await it.look(20);
    expect(it.asked).toEqual([1]);
    expect(it.routes).toEqual([]);
    await it.settled(1);
    expect(it.routes).toEqual([{ kind: 'here' }]);
    expect(it.router.reads).toEqual({ clean: 0, dirty: 1 });
  });

  test('is not served when the lease has run out meanwhile, but asks again when there is one', async () => {
    const looks = new Looks();
    const it = Case.over(looks);
    it.wait('read');
    looks.serves = false;
    await it.settled(1);
    await it.look(20);
    expect(it.routes).toEqual([]);
    expect(it.asked).toEqual([1]);
    looks.serves = true;
    await it.look(40);
    expect(it.asked).toEqual([1, 2]);
    await it.settled(2);
    expect(it.routes).toEqual([{ kind: 'here' }]);
  });

  test('asks anew in an epoch that follows, and what the question of the one before gives is nothing to it', async () => {
    const looks = new Looks();
    const it = Case.over(looks);
    it.wait('read');
    looks.configuration = { ...looks.configuration, epoch: epoch(3) };
    await it.look(20);
    expect(it.asked).toEqual([1, 2]);
    await it.settled(1);
    expect(it.routes).toEqual([]);
    await it.settled(2);
    expect(it.routes).toEqual([{ kind: 'here' }]);
  });

  test('waits 1 s in all, however often it asks', async () => {
    const looks = new Looks();
    const it = Case.over(looks);
    it.wait('read');
    for (let ms = 100; ms < 1000; ms += 100) {
      looks.configuration = { ...looks.configuration, epoch: epoch(2 + ms / 100) };
      await it.look(ms);
    }
    expect(it.routes).toEqual([]);
    await it.look(1000);
    expect(it.routes).toMatchObject([{ code: 'NOT_READY', reason: expect.stringContaining('tail') }]);
    await it.settled(it.asked.length);
    expect(it.routes).toHaveLength(1);
    expect(it.router.reads).toEqual({ clean: 0, dirty: 0 });
  });

  test('that comes back clean of itself is served without the answer', async () => {
    const looks = new Looks();
    const it = Case.over(looks);
    it.wait('read');
    looks.clean = true;
    await it.look(20);
    expect(it.routes).toEqual([{ kind: 'here' }]);
    await it.settled(1);
    expect(it.routes).toHaveLength(1);
  });

  test('asks nothing while the caller knows a later epoch than this node', async () => {
    const it = Case.over(new Looks());
    it.wait('read', epoch(9));
    await it.look(20);
    expect(it.asked).toEqual([]);
  });

  test('a write asks nothing', async () => {
    const it = new Case(loneReplica(N1));
    it.wait('write');
    expect(it.asked).toEqual([]);
  });
});

test('reads that are answered at once count as clean, and nothing else counts', () => {
  const looks = new Looks();
  const it = Case.over(looks);
  looks.clean = true;
  it.router.routeNow('read', NO_EPOCH, ['k']);
  it.router.routeNow('read', epoch(9), ['k']);
  expect(it.router.reads).toEqual({ clean: 1, dirty: 0 });
});

import {
  append,
  at,
  configuration,
  enter,
  hello,
  incarnation,
  loneReplica,
  only,
  versionedTopology,
} from '../support/chain-builders.ts';
import {
  FIRST,
  head,
  hungUp,
  made,
  message,
  N1,
  N2,
  N3,
  resume,
  sent,
  tail,
} from '../support/lone-replica.ts';

describe('taking up a configuration (§2)', () => {
  test('a configuration is saved first, and acted in once that is on disk', () => {
    const replica = loneReplica(N1);
    const told = replica.step({ kind: 'told', configuration: FIRST, topology: null }, at(0));
    expect(told).toMatchObject([{ kind: 'save', configuration: FIRST, leaseMsMax: 200 }]);
    expect(replica).toMatchObject({ active: false, takesWrites: false });
    const saved = replica.step({ kind: 'saved', save: 1 }, at(0));
    expect(only(saved, 'dial')).toEqual([{ kind: 'dial', to: N2 }]);
    expect(replica.takesWrites).toBe(true);
  });

  test('an older save does not activate a newer configuration', () => {
    const replica = loneReplica(N1);
    const second = configuration(2, [N1, N2]);
    replica.step({ kind: 'told', configuration: FIRST, topology: null }, at(0));
    replica.step({ kind: 'told', configuration: second, topology: null }, at(0));
    replica.step({ kind: 'saved', save: 1 }, at(0));
    expect(replica.active).toBe(false);
    replica.step({ kind: 'saved', save: 2 }, at(0));
    expect(replica.active).toBe(true);
  });

  test('an older configuration or topology is ignored', () => {
    const replica = loneReplica(N1);
    enter(replica, configuration(5, [N1, N2]));
    const topology = versionedTopology(['n9'], { version: 0 });
    expect(replica.step({ kind: 'told', configuration: FIRST, topology }, at(0))).toEqual([]);
    expect(replica.configuration?.epoch).toBe(5);
    expect(replica.topology.version).toBe(1);
  });

  test('a newer topology alone is saved, and ends no session', () => {
    const replica = head();
    const topology = versionedTopology(['n1', 'n2', 'n3'], { version: 2 });
    const effects = replica.step({ kind: 'told', configuration: FIRST, topology }, at(0));
    expect(effects).toMatchObject([{ kind: 'save', topology }]);
    replica.step({ kind: 'saved', save: 2 }, at(0));
    expect(replica).toMatchObject({ active: true, sessions: { downstream: 'streaming' } });
  });

  test('the longest lease ever held is kept (§7)', () => {
    const replica = loneReplica(N1);
    enter(replica, { ...FIRST, leaseMs: 900 });
    const told = configuration(2, [N1, N2]);
    const effects = replica.step({ kind: 'told', configuration: told, topology: null }, at(0));
    expect(only(effects, 'save')).toMatchObject([{ leaseMsMax: 900 }]);
  });

  test('adopting ends both sessions at once, before anything is saved', () => {
    const middle = loneReplica(N2);
    enter(middle, FIRST);
    message(middle, 1, hello(FIRST, N1));
    message(middle, 1, resume(0));
    middle.step({ kind: 'connected', link: 2, to: N3 }, at(0));
    const told = configuration(2, [N1, N2, N3]);
    const effects = middle.step({ kind: 'told', configuration: told, topology: null }, at(0));
    expect(hungUp(effects)).toEqual([1, 2]);
    expect(middle.sessions).toEqual({ upstream: 'none', downstream: 'idle' });
  });

  test('another configuration of the epoch that is held is not taken up, and that is said: it comes from another cluster (I1)', () => {
    const replica = loneReplica(N1);
    enter(replica, FIRST);
    const other = configuration(1, [N2, N1]);
    const effects = replica.step({ kind: 'told', configuration: other, topology: null }, at(0));
    expect(effects).toMatchObject([{ kind: 'say', level: 'warn' }]);
    expect(replica).toMatchObject({ configuration: FIRST, active: true, role: 'head' });
  });

  test('a configuration found on disk names an earlier incarnation, and is not acted in (§5)', () => {
    const replica = loneReplica(incarnation('n1', 2), { configuration: FIRST });
    expect(replica).toMatchObject({ active: false, role: 'spare', takesWrites: false });
    expect(replica.step({ kind: 'told', configuration: FIRST, topology: null }, at(0))).toEqual([]);
    expect(replica.active).toBe(false);
  });
});

describe('reads (§7)', () => {
  test('readFloor is the higher of what was received at adoption and what the predecessor had', () => {
    const own = loneReplica(N3, { pending: [made(1), made(2)] });
    enter(own, FIRST);
    expect(own.readFloor).toBe(null);
    expect(own.servesReads(at(0))).toBe(false);
    message(own, 1, hello(FIRST, N2, { received: 0 }));
    expect(own.readFloor).toBe(2);
    expect(own.servesReads(at(0))).toBe(false);
    message(own, 1, resume(1));
    expect(own.readFloor).toBe(1);
    expect(own.servesReads(at(0))).toBe(false);

    const told = loneReplica(N3, { pending: [made(1)] });
    enter(told, FIRST);
    message(told, 1, hello(FIRST, N2, { received: 7 }));
    expect(told.readFloor).toBe(7);
    expect(told.servesReads(at(0))).toBe(false);
  });

  test('the first Hello of an epoch sets the floor, a later one after a lost connection leaves it', () => {
    const replica = tail(0);
    expect(replica.readFloor).toBe(0);
    expect(replica.servesReads(at(0))).toBe(true);
    message(replica, 2, hello(FIRST, N2, { received: 5 }));
    expect(replica.readFloor).toBe(0);
    expect(replica.servesReads(at(0))).toBe(true);
  });

  test('no read is served while a new configuration is being saved', () => {
    const replica = tail();
    expect(replica.servesReads(at(0))).toBe(true);
    const told = configuration(2, [N1, N2, N3]);
    replica.step({ kind: 'told', configuration: told, topology: null }, at(0));
    expect(replica.ready).toBe(false);
    expect(replica.servesReads(at(0))).toBe(false);
  });
});

describe('the passing of time (§4)', () => {
  test('a session whose predecessor is silent for suspectAfter is given up', () => {
    const replica = tail();
    message(replica, 1, append([]), at(100));
    expect(hungUp(replica.step({ kind: 'tick' }, at(600)))).toEqual([]);
    expect(hungUp(replica.step({ kind: 'tick' }, at(601)))).toEqual([1]);
  });

  test('a successor that is silent is dialled anew, its Hello unanswered or not', () => {
    for (const greeted of [false, true]) {
      const replica = greeted ? loneReplica(N1) : head();
      if (greeted) {
        enter(replica, FIRST);
        replica.step({ kind: 'connected', link: 1, to: N2 }, at(0));
      }
      expect(hungUp(replica.step({ kind: 'tick' }, at(500)))).toEqual([]);
      expect(hungUp(replica.step({ kind: 'tick' }, at(501)))).toEqual([1]);
      expect(only(replica.step({ kind: 'tick' }, at(530)), 'dial')).toEqual([{ kind: 'dial', to: N2 }]);
    }
  });

  test('a quiet link carries an empty Append down and an Ack up every lease/5', () => {
    const above = head();
    expect(sent(above.step({ kind: 'tick' }, at(39)))).toEqual([]);
    expect(sent(above.step({ kind: 'tick' }, at(40)))).toEqual([[1, 'append']]);
    expect(sent(above.step({ kind: 'tick' }, at(60)))).toEqual([]);
    const below = tail();
    expect(sent(below.step({ kind: 'tick' }, at(40)))).toEqual([
      [1, 'ack'],
      [1, 'probe'],
    ]);
  });
});

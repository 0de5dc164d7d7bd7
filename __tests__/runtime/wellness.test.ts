import { Wellness } from '../../src/runtime/wellness.ts';

const LEASE_MS = 200;

/** A process that is looked at every 20 ms, unless something happens to it. */
class Process {
  monotonicMs = 5_000_000;
  wallMs = 1_700_000_000_000;
  readonly wellness = new Wellness();
  readonly faults: string[] = [];

  constructor() {
    this.look();
  }

  look(): void {
    const { monotonicMs, wallMs } = this;
    const fault = this.wellness.look({ monotonicMs, wallMs }, LEASE_MS);
    if (fault) this.faults.push(fault);
  }

  pass(ms: number): void {
    this.monotonicMs += ms;
    this.wallMs += ms;
    this.look();
  }

  calm(ms: number): void {
    for (let passed = 0; passed < ms; passed += 20) this.pass(20);
  }

  get state() {
    return this.wellness.state(this.monotonicMs);
  }
}

test('a process that gets its turns is well, also when it is a little late', () => {
  const it = new Process();
  it.calm(1000);
  it.pass(200);
  expect(it.faults).toEqual([]);
  expect(it.state).toEqual({ sick: null, lately: null });
});

test('a hold-up that is longer than the lease is said once, shown for 10 s, and no sickness', () => {
  const it = new Process();
  it.pass(201);
  it.calm(9980);
  expect(it.faults).toEqual([expect.stringMatching(/held up for 201 ms.*lease \(200 ms\)/)]);
  expect(it.state).toEqual({ sick: null, lately: it.faults[0] });
  it.calm(20);
  expect(it.state).toEqual({ sick: null, lately: null });
});

test.each([
  ['forward', 3_600_000],
  ['back', -3_600_000],
])('a wall clock that jumps %s is told from time that goes by', (way, byMs) => {
  const it = new Process();
  it.wallMs += byMs;
  it.pass(20);
  expect(it.faults).toEqual([expect.stringMatching(`jumped ${way} by 3600000 ms`)]);
  it.calm(1000);
  expect(it.faults).toHaveLength(1);
});

test('a wall clock that is set right by a little is no fault', () => {
  const it = new Process();
  it.wallMs -= 200;
  it.pass(20);
  expect(it.faults).toEqual([]);
});

test('three faults within 60 s are a sickness, until 30 s of calm', () => {
  const it = new Process();
  it.pass(300);
  it.calm(29_000);
  it.pass(300);
  it.calm(29_000);
  expect(it.state.sick).toBeNull();
  it.pass(300);
  expect(it.state.sick).toContain('again and again');
  it.calm(29_980);
  expect(it.state.sick).not.toBeNull();
  it.calm(20);
  expect(it.state).toEqual({ sick: null, lately: null });
});

test('a fault during the sickness has the calm begin anew', () => {
  const it = new Process();
  for (let n = 0; n < 3; n++) it.pass(300);
  it.calm(29_000);
  it.pass(300);
  it.calm(29_000);
  expect(it.state.sick).not.toBeNull();
});

test('three faults over more than 60 s are none', () => {
  const it = new Process();
  for (let n = 0; n < 5; n++) {
    it.pass(300);
    expect(it.state.sick).toBeNull();
    it.calm(31_000);
  }
  expect(it.faults).toHaveLength(5);
});

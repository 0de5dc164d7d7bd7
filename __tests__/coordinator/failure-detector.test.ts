import { nodeId, seq, storeId } from '../../src/base/ids.ts';
import { FailureDetector } from '../../src/coordinator/failure-detector.ts';
import type { NodeReport } from '../../src/protocol/messages.ts';

/** What n1 says from a store. */
function report(store: string, boot = 1): NodeReport {
  return {
    incarnation: { node: nodeId('n1'), storeId: storeId(store), boot },
    phase: 'running',
    problem: null,
    empty: true,
    configuration: null,
    received: seq(0),
    durable: seq(0),
    committed: seq(0),
    ready: false,
    stopped: false,
    readOnly: false,
    stalledMs: 0,
    transfer: null,
    unreachable: [],
    topologyVersion: 0,
    wallMs: 0,
  };
}

const spokenFor = (detector: FailureDetector) => detector.last(nodeId('n1'))?.report.incarnation.storeId;

test('a second process of one name on another store is refused until the first was silent for 2 s', () => {
  const detector = new FailureDetector();
  detector.hears(1, report('first'), 0);
  expect(detector.hears(2, report('second'), 100)).toMatchObject({
    kind: 'ignored',
    reason: expect.stringContaining('another process is n1 already, on another data directory'),
  });
  detector.hears(1, report('first'), 1000);
  expect(detector.hears(2, report('second'), 2999).kind).toBe('ignored');
  expect(spokenFor(detector)).toBe('first');
  expect(detector.hears(2, report('second'), 3000)).toEqual({ kind: 'heard', replaced: 1, news: true });
  expect(spokenFor(detector)).toBe('second');
});

test('a second process is heard at once when the connection of the first is closed', () => {
  const detector = new FailureDetector();
  detector.hears(1, report('first'), 0);
  expect(detector.closed(1)).toBe('n1');
  expect(detector.hears(2, report('second'), 1).kind).toBe('heard');
});

test('a restart on the same store is heard at once, and the process before it never again', () => {
  const detector = new FailureDetector();
  detector.hears(1, report('first'), 0);
  expect(detector.hears(2, report('first', 2), 1)).toEqual({ kind: 'heard', replaced: 1, news: true });
  expect(detector.hears(1, report('first'), 2).kind).toBe('ignored');
  expect(detector.hears(3, report('first'), 3).kind).toBe('ignored');
});

test('what was heard of a node is forgotten only when its connection is closed', () => {
  const detector = new FailureDetector();
  detector.hears(1, report('first'), 0);
  detector.forget(nodeId('n1'));
  expect(spokenFor(detector)).toBe('first');
  detector.closed(1);
  detector.knocked(nodeId('n1'), true, 10);
  detector.knocked(nodeId('n1'), true, 20);
  expect(detector.refusedMs(nodeId('n1'))).toBe(10);
  detector.forget(nodeId('n1'));
  expect(spokenFor(detector)).toBeUndefined();
  expect(detector.refusedMs(nodeId('n1'))).toBeNull();
});

test('a connection that spoke for nobody, or was replaced, closes for nobody', () => {
  const detector = new FailureDetector();
  expect(detector.closed(9)).toBeNull();
  detector.hears(1, report('first'), 0);
  detector.hears(2, report('first'), 1);
  expect(detector.closed(1)).toBeNull();
  expect(detector.linkOf(nodeId('n1'))).toBe(2);
  expect(detector.closed(2)).toBe('n1');
  expect(detector.closed(2)).toBeNull();
});

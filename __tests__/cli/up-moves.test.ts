import { canRestart, movesOf } from '../../src/cli/up-moves.ts';
import type { PlannedProcess } from '../../src/cli/up-plan.ts';

function processOf(id: string, port: number, kind: PlannedProcess['kind'] = 'node'): PlannedProcess {
  const hosts = ['127.0.0.1', '::1'];
  return {
    kind,
    id,
    at: { http: { hosts, port }, peer: { hosts, port: port + 1000 } },
    url: `http://localhost:${port}`,
    data: `data/${id}`,
  };
}

const n1 = processOf('n1', 4466);
const n2 = processOf('n2', 4467);
const n4 = processOf('n4', 4469);
const c1 = processOf('c1', 4460, 'coordinator');

describe('the processes that follow a topology', () => {
  test('nothing is done while they are those of the topology', () => {
    const moves = movesOf([n1, n2, c1], { running: [n1, n2, c1], inChain: new Set(['n1', 'n2']) });
    expect(moves).toEqual({ start: [], stop: [], restart: [] });
  });

  test('an added node is started', () => {
    const { start } = movesOf([n1, n2, n4, c1], { running: [n1, n2, c1], inChain: new Set(['n1', 'n2']) });
    expect(start).toEqual([n4]);
  });

  test('a node that was taken out runs until no configuration has it', () => {
    const running = [n1, n2, c1];
    const still = movesOf([n1, c1], { running, inChain: new Set(['n1', 'n2']) });
    expect(still.stop).toEqual([]);
    const gone = movesOf([n1, c1], { running, inChain: new Set(['n1']) });
    expect(gone.stop).toEqual([n2]);
  });

  test('a coordinator that is not in the topology is not stopped', () => {
    expect(movesOf([n1], { running: [n1, c1], inChain: new Set(['n1']) }).stop).toEqual([]);
  });

  test('one with another port, for HTTP or for peers, is restarted', () => {
    const http = processOf('n2', 5000);
    const peer = { ...n2, at: { ...n2.at, peer: { ...n2.at.peer, port: 6000 } } };
    for (const moved of [http, peer]) {
      const { restart } = movesOf([n1, moved, c1], { running: [n1, n2, c1], inChain: new Set(['n1', 'n2']) });
      expect(restart).toEqual([moved]);
    }
  });
});

describe('a restart', () => {
  const whole = { members: ['n1', 'n2', 'n3'], joiner: null, wanted: 3, unready: new Set<string>() };

  test('of a member waits until the chain is whole and all of it ready', () => {
    expect(canRestart('n2', whole)).toBe(true);
    expect(canRestart('n2', { ...whole, unready: new Set(['n3']) })).toBe(false);
    expect(canRestart('n2', { ...whole, unready: new Set(['n2']) })).toBe(false);
    expect(canRestart('n2', { ...whole, members: ['n1', 'n2'] })).toBe(false);
    expect(canRestart('n2', { ...whole, members: ['n1', 'n2'], wanted: 2, joiner: 'n3' })).toBe(false);
  });

  test('of one that is no member waits for nothing', () => {
    expect(canRestart('n4', { ...whole, unready: new Set(['n1']) })).toBe(true);
    expect(canRestart('n3', { ...whole, members: ['n1', 'n2'], joiner: 'n3' })).toBe(true);
  });
});

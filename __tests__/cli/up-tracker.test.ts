import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { TopologyCopy } from '../../src/cli/up-copy.ts';
import type { PlannedProcess } from '../../src/cli/up-plan.ts';
import type { Screen } from '../../src/cli/up-screen.ts';
import { type Followed, Tracker } from '../../src/cli/up-tracker.ts';
import { until } from '../support/cluster.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const directory = temporaryDirectory();

const n1 = { urls: ['http://localhost:4466'], peer: 'localhost:5466' };
const n2 = { urls: ['http://localhost:4467'], peer: 'localhost:5467' };
const c1 = { urls: ['http://localhost:4460'], peer: 'localhost:5460' };

function topologyOf(nodes: Record<string, object>): object {
  return { name: 'test', replicas: 1, chain: Object.keys(nodes), nodes, coordinators: { c1 } };
}

/** A server that answers each path with what was said last, and a tracker that listens to it as both coordinator and joiner. */
class Stage {
  readonly pages = new Map<string, unknown>();
  readonly said: string[] = [];
  readonly followed: (readonly string[])[] = [];
  copy: TopologyCopy;
  readonly asked: string[] = [];
  readonly #server = createServer((request, response) => {
    this.asked.push(request.url ?? '');
    const page = this.pages.get(request.url ?? '');
    response.statusCode = page === undefined ? 503 : 200;
    response.end(JSON.stringify(page ?? {}));
  });
  readonly #tracker: Tracker;

  constructor(data: string) {
    this.copy = new TopologyCopy({ directory: data, file: 'by-hand.json' });
    const url = () => `http://localhost:${(this.#server.address() as AddressInfo).port}`;
    const cluster: Followed = {
      coordinatorUrl: url,
      urlOf: url,
      follow: async (_running, wanted: readonly PlannedProcess[]) => {
        this.followed.push(wanted.map(({ id }) => id));
      },
    };
    this.#tracker = new Tracker(data, { cluster, copy: this.copy, screen: this.#screen() });
  }

  async start(): Promise<void> {
    this.#server.listen(0);
    await once(this.#server, 'listening');
    this.#tracker.start();
  }

  /** Waits until something has been said, or followed, that fits. */
  says(text: string): Promise<void> {
    return until(
      () => this.said.some((line) => line.includes(text)),
      `"${text}"`,
      () => this.said.join('\n'),
    );
  }

  async end(): Promise<void> {
    this.#tracker.stop();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #screen(): Screen {
    const say = (line: string): void => void this.said.push(line);
    return {
      say,
      warn: say,
      table: say,
      logged: say,
      complained: say,
      progress: (line) => say(line ?? 'progress is over'),
      progressEveryMs: 0,
    };
  }
}

let stage: Stage;

beforeEach(async () => {
  stage = new Stage(directory.path);
  await stage.start();
});
afterEach(() => stage.end());

function chosen(epoch: number, members: readonly string[], reason: string): object {
  return { epoch, time: '2026-11-22T16:44:24.959Z', members, reason, change: '' };
}

function configuration(epoch: number, members: readonly string[], joiner: string | null = null): object {
  const named = (node: string) => ({ node, storeId: 's', boot: 1 });
  return { epoch, members: members.map(named), joiner: joiner === null ? null : named(joiner) };
}

function running(
  version: number,
  nodes: Record<string, object>,
  more: { configuration?: object; problem?: string | null } = {},
): object {
  return { topology: topologyOf(nodes), version, configuration: null, problem: null, ...more };
}

test('the running topology counts, not the file: it is followed, and kept for nodes to start with', async () => {
  expect(stage.copy.path).toBe('by-hand.json');
  stage.pages.set('/topology', running(1, { n1, n2 }));
  await until(() => stage.followed.length > 0, 'the topology followed');
  expect(stage.followed.at(-1)).toEqual(['n1', 'n2', 'c1']);
  expect(stage.copy.path).toBe(join(directory.path, 'topology.json'));
  const kept = JSON.parse(await readFile(stage.copy.path, 'utf8'));
  expect(Object.keys(kept.nodes)).toEqual(['n1', 'n2']);
});

test('a node that was just taken out stands in the copy, so that it can be started until the chain does without it', async () => {
  const both = { configuration: configuration(1, ['n1', 'n2']) };
  stage.pages.set('/topology', running(1, { n1, n2 }, both));
  await until(() => stage.followed.length > 0, 'the first topology');
  stage.pages.set('/topology', running(2, { n1 }, both));
  await until(() => stage.followed.at(-1)?.length === 2, 'the second topology');
  const kept = JSON.parse(await readFile(stage.copy.path, 'utf8'));
  expect(kept.chain).toEqual(['n1']);
  expect(Object.keys(kept.nodes).sort()).toEqual(['n1', 'n2']);
  stage.pages.set('/topology', running(2, { n1 }, { configuration: configuration(2, ['n1']) }));
  // The copy is written before this is followed.
  const before = stage.followed.length;
  await until(() => stage.followed.length > before + 1, 'the second configuration');
  const left = JSON.parse(await readFile(stage.copy.path, 'utf8'));
  expect(Object.keys(left.nodes)).toEqual(['n1']);
});

test('unless another node has its address', async () => {
  const both = { configuration: configuration(1, ['n1', 'n2']) };
  stage.pages.set('/topology', running(1, { n1, n2 }, both));
  await until(() => stage.followed.length > 0, 'the first topology');
  stage.pages.set('/topology', running(2, { n1, n3: n2 }, both));
  await until(() => stage.followed.at(-1)?.includes('n3') === true, 'the second topology');
  const kept = JSON.parse(await readFile(stage.copy.path, 'utf8'));
  expect(Object.keys(kept.nodes)).toEqual(['n1', 'n3']);
});

test('each configuration is told once, with its reason; of those before, the last', async () => {
  const old = [chosen(1, ['n1'], 'first start'), chosen(2, ['n1', 'n2'], 'n2 has caught up')];
  stage.pages.set('/history', { configurations: old });
  stage.pages.set('/topology', running(1, { n1, n2 }, { configuration: configuration(2, ['n1', 'n2']) }));
  await stage.says('epoch 2: n1, n2 — n2 has caught up');
  const news = [chosen(3, ['n1'], 'n2 refused connections for 60 ms'), chosen(4, ['n1', 'n2'], 'n2 is back')];
  stage.pages.set('/history', { configurations: [...old, ...news] });
  stage.pages.set('/topology', running(1, { n1, n2 }, { configuration: configuration(4, ['n1', 'n2']) }));
  await stage.says('epoch 4: n1, n2 — n2 is back');
  expect(stage.said).toEqual([
    'epoch 2: n1, n2 — n2 has caught up',
    'epoch 3: n1 — n2 refused connections for 60 ms',
    'epoch 4: n1, n2 — n2 is back',
  ]);
});

test('a state transfer is told while it is under way', async () => {
  const transfer = {
    bytes: 5e6,
    bytesTotal: 1e7,
    keys: 50,
    keysTotal: 100,
    bytesPerSecond: 1e6,
    secondsLeft: 5,
  };
  stage.pages.set('/status', { node: 'n2', transfer });
  stage.pages.set('/topology', running(1, { n1, n2 }, { configuration: configuration(0, ['n1'], 'n2') }));
  await stage.says('n2 is given the data: 50 %');
  stage.pages.set('/status', { node: 'n2', transfer: null });
  await stage.says('progress is over');
});

test('a refused edit is told once', async () => {
  stage.pages.set('/topology', running(1, { n1 }, { problem: 'topology.json:7: no such node' }));
  await stage.says('refused, nothing changes: topology.json:7: no such node');
  stage.pages.set('/topology', running(1, { n1, n2 }, { problem: 'topology.json:7: no such node' }));
  await until(() => stage.followed.at(-1)?.length === 3, 'a later look');
  expect(stage.said).toHaveLength(1);
});

test('while the coordinator says nothing sensible, nothing changes', async () => {
  stage.pages.set('/topology', { topology: { name: 'broken' }, version: 9 });
  await until(() => stage.asked.length > 3, 'some looks');
  expect(stage.followed).toEqual([]);
  stage.pages.set('/topology', running(1, { n1 }));
  await until(() => stage.followed.length > 0, 'the good one');
  expect(stage.followed[0]).toEqual(['n1', 'c1']);
});

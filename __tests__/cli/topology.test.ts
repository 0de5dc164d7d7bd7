import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCoordinatorServer } from '../../src/http/coordinator-server.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { afterwards, FakeLogger, startNode } from '../http/harness.ts';
import { catena } from '../support/catena-process.ts';
import { FakeCoordinatorService, historyItem } from '../support/fake-coordinator-service.ts';
import { fakeConfiguration } from '../support/fake-node-service.ts';
import { freePorts } from '../support/free-ports.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const directory = temporaryDirectory();
const LOCAL = JSON.parse(readFileSync(new URL('../../topology/local.json', import.meta.url), 'utf8'));

/** A coordinator that answers as the test says, and a topology file that names it. */
async function start() {
  const service = new FakeCoordinatorService();
  const server = createCoordinatorServer({ service, logger: new FakeLogger(), clock: systemClock });
  await server.listen({ hosts: ['127.0.0.1'], port: 0 });
  afterwards(() => server.close(0));
  const url = `http://127.0.0.1:${server.port()}`;
  return { service, server, url, file: await fileFor(url) };
}

async function fileFor(url: string, edit: object = {}): Promise<string> {
  const path = join(directory.path, 'topology.json');
  const coordinators = { c1: { urls: [url], peer: 'localhost:5460' } };
  await writeFile(path, JSON.stringify({ ...LOCAL, coordinators, ...edit }));
  return path;
}

const run = (...args: string[]) => catena(args).ends();

describe('topology plan', () => {
  test('prints the steps that the cluster would take, at the coordinator that the file names, and changes nothing', async () => {
    const { service, url, file } = await start();
    service.editReply = (version) => ({
      kind: 'taken',
      version,
      plan: ['ask n3 to stop', 'remove n3'],
    });
    const { code, stdout } = await run('topology', 'plan', file);
    expect(stdout).toBe(
      `${url} (version 1) would take these steps:\n  1. ask n3 to stop\n  2. remove n3\n` +
        `Nothing is changed yet: catena topology apply ${file} takes them\n`,
    );
    expect(code).toBe(0);
    expect(service.edits).toMatchObject([{ dryRun: true, topology: { name: 'local' } }]);
    expect(service.topologyNow.version).toBe(1);
  });

  test('says when there is nothing to change', async () => {
    const { service, file } = await start();
    service.editReply = (version) => ({ kind: 'taken', version: version - 1, plan: [] });
    const { code, stdout } = await run('topology', 'plan', file);
    expect(stdout).toContain('nothing to change');
    expect(code).toBe(0);
  });

  test('prints JSON for programs', async () => {
    const { url, file } = await start();
    const { stdout } = await run('topology', 'plan', file, '--json');
    expect(JSON.parse(stdout)).toEqual({ url, version: 1, plan: ['add n4 as the joiner'] });
  });

  test('tells what is wrong with the file and where, and asks nobody', async () => {
    const { service, url } = await start();
    const file = await fileFor(url, { replicas: 9 });
    const { code, stderr } = await run('topology', 'plan', file);
    expect(stderr).toMatch(/topology\.json:1:\d+ \/replicas: /);
    expect(code).toBe(1);
    expect(service.edits).toEqual([]);
  });

  test('tells why a running cluster can not take it', async () => {
    const { service, file } = await start();
    service.editReply = () => ({ kind: 'refused', problem: 'it would leave no ready member' });
    const { code, stderr } = await run('topology', 'plan', file);
    expect(stderr).toBe('catena: it would leave no ready member\n');
    expect(code).toBe(1);
  });

  test('says where nobody answers, and what to do', async () => {
    const [port] = await freePorts(1);
    const file = await fileFor(`http://127.0.0.1:${port}`);
    const { code, stderr } = await run('topology', 'plan', file);
    expect(stderr).toContain(`the coordinator at http://127.0.0.1:${port} can't be reached`);
    expect(stderr).toContain('nothing listens there');
    expect(stderr).toContain('--url');
    expect(code).toBe(1);
  });

  test('of a node says where its coordinator is', async () => {
    const { file } = await start();
    const node = await startNode();
    const { code, stderr } = await run('topology', 'plan', file, '--url', node.url);
    expect(stderr).toBe(
      `catena: what answers at ${node.url} is a node: give the address of the coordinator, such as --url http://localhost:4460\n`,
    );
    expect(code).toBe(1);
  });
});

describe('topology apply', () => {
  test('shows each configuration as it is chosen, and what it waits for, until nothing of the plan is left', async () => {
    const { service, file } = await start();
    service.statusNow = { waitingFor: ['n4 is not heard'] };
    const program = catena(['topology', 'apply', file]);
    await program.says(/waiting: n4 is not heard\n/);
    service.historyNow = [...service.historyNow, { ...historyItem(4, ['n1', 'n2']), change: 'added n2' }];
    await program.says(/epoch 4: added n2 \(r\); the chain is n1 -> n2\n/);
    service.statusNow = { waitingFor: [] };
    service.historyNow = [...service.historyNow, historyItem(5, ['n2'])];
    service.configurationNow = fakeConfiguration(['n2'], 5);
    service.planNow = [];
    const { code, stdout } = await program.ends();
    expect(stdout).toBe(
      [
        'taken as version 2; the steps:',
        '  1. add n4 as the joiner',
        'waiting: n4 is not heard',
        'epoch 4: added n2 (r); the chain is n1 -> n2',
        'epoch 5: c (r); the chain is n2',
        'done: the chain is n2',
        '',
      ].join('\n'),
    );
    expect(code).toBe(0);
    expect(service.edits).toMatchObject([{ ifVersion: 1, dryRun: false }]);
  });

  test('ends when the topology is taken with --no-wait, and prints JSON lines with --json', async () => {
    const { file } = await start();
    const { code, stdout } = await run('topology', 'apply', file, '--no-wait', '--json');
    expect(JSON.parse(stdout)).toEqual({ kind: 'taken', version: 2, plan: ['add n4 as the joiner'] });
    expect(code).toBe(0);
  });

  test('makes no edit to a version that somebody else has edited since', async () => {
    const { service, file } = await start();
    service.topologyNow = { ...service.topologyNow, version: 5 };
    const { code, stderr } = await run('topology', 'apply', file, '--if-version', '4');
    expect(stderr).toContain('it has version 5 now');
    expect(code).toBe(1);
    expect(service.topologyNow.version).toBe(5);
  });

  test('says so when a later edit takes the place of this one', async () => {
    const { service, file } = await start();
    const program = catena(['topology', 'apply', file]);
    await program.says(/taken as version 2/);
    service.topologyNow = { ...service.topologyNow, version: 3 };
    const { code, stderr } = await program.ends();
    expect(stderr).toContain('it has version 3 now');
    expect(code).toBe(1);
  });

  test('waits for a coordinator that is away for a moment', async () => {
    const { service, server, file } = await start();
    const program = catena(['topology', 'apply', file]);
    await program.says(/taken as version 2/);
    const port = server.port();
    await server.close(0);
    service.planNow = [];
    const again = createCoordinatorServer({ service, logger: new FakeLogger(), clock: systemClock });
    await again.listen({ hosts: ['127.0.0.1'], port });
    afterwards(() => again.close(0));
    const { code, stdout } = await program.ends();
    expect(stdout).toContain('done: the chain is n1\n');
    expect(code).toBe(0);
  });
});

describe('force', () => {
  test('without the confirmation changes nothing, says what may be lost and what each node holds, and exits with 2', async () => {
    const { service, file } = await start();
    service.statusNow = {
      waitingFor: [],
      nodes: {
        n1: { heard: false },
        n2: { heard: true, epoch: 3, received: 9, committed: 8 },
      },
    };
    const { code, stderr } = await run('force', '--survivor', 'n2', '--topology', file);
    expect(stderr).toContain('every acknowledged write that\nn2 does not hold is lost for good');
    expect(stderr).toContain('the highest epoch, and among those the one that holds most entries');
    expect(stderr).toContain(
      '  n1: never heard\n  n2: heard; epoch 3, holds entries up to 9, of which 8 are',
    );
    expect(code).toBe(2);
    expect(service.forced).toEqual([]);
  });

  test('confirmed, makes the survivor the whole chain', async () => {
    const { service, url } = await start();
    const { code, stdout } = await run('force', '--survivor', 'n2', '--url', url, '--yes-data-may-be-lost');
    expect(stdout).toMatch(/^epoch 9: the chain is n2 alone/);
    expect(code).toBe(0);
    expect(service.forced).toEqual(['n2']);
  });

  test('refuses a survivor that the coordinator does not know', async () => {
    const { service, file } = await start();
    service.statusNow = { waitingFor: [], nodes: { n1: { heard: false }, n2: { heard: false } } };
    const { code, stderr } = await run('force', '--survivor', 'n7', '--topology', file);
    expect(stderr).toBe('catena: n7 is no node that the coordinator knows: it knows n1, n2\n');
    expect(code).toBe(1);
  });

  test.each([[[]], [['--yes-data-may-be-lost']]])(
    'at a node says where the coordinator is: %p',
    async (more) => {
      const node = await startNode();
      const { code, stderr } = await run('force', '--survivor', 'n1', '--url', node.url, ...more);
      expect(stderr).toBe(
        `catena: what answers at ${node.url} is a node: give the address of the coordinator, such as --url http://localhost:4460\n`,
      );
      expect(code).toBe(1);
    },
  );

  test('tells why it can not be', async () => {
    const { service, url } = await start();
    service.forceReply = { kind: 'refused', problem: 'n2 is not heard' };
    const { code, stderr } = await run('force', '--survivor', 'n2', '--url', url, '--yes-data-may-be-lost');
    expect(stderr).toBe('catena: n2 is not heard\n');
    expect(code).toBe(1);
  });
});

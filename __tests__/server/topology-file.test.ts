import { readFileSync } from 'node:fs';
import { rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { followTopologyFile, readTopologyFile } from '../../src/server/topology-file.ts';
import { catena, type Program } from '../support/catena-process.ts';
import { freePorts } from '../support/free-ports.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const directory = temporaryDirectory();
const LOCAL = JSON.parse(readFileSync(new URL('../../topology/local.json', import.meta.url), 'utf8'));
const endings: (() => Promise<unknown>)[] = [];

// Before the directory is removed.
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

const path = () => join(directory.path, 'topology.json');
const text = (edit: object = {}) => JSON.stringify({ ...LOCAL, ...edit }, null, 2);

/** Puts another file in its place, as editors do. */
async function replace(content: string): Promise<void> {
  await writeFile(`${path()}~`, content);
  await rename(`${path()}~`, path());
}

async function until<T>(find: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    await sleep(20);
  }
}

describe('a topology file that is followed', () => {
  async function followed() {
    const taken: string[] = [];
    const refused: string[] = [];
    await writeFile(path(), text());
    const watch = followTopologyFile(path(), {
      takeFile: (topology, digest) => taken.push(`${topology.name} ${digest}`),
      refuseFile: (problem) => refused.push(problem),
    });
    endings.push(() => watch.stop());
    await until(() => taken[0]);
    return { taken, refused };
  }

  test('is handed on with the digest that reading it gives', async () => {
    const { taken, refused } = await followed();
    await replace(text({ name: 'edited' }));
    await until(() => taken[1]);
    const { topology, digest } = await readTopologyFile(path());
    expect(taken[1]).toBe(`${topology.name} ${digest}`);
    expect(topology.name).toBe('edited');
    expect(refused).toEqual([]);
  });

  test('that turned bad is refused with file, line, pointer and what is expected, until it is good again', async () => {
    const { taken, refused } = await followed();
    await replace(text({ replicas: 0 }));
    const problem = await until(() => refused[0]);
    expect(problem).toContain(`${path()} has a problem; mend the file and try again:\n${path()}:4:`);
    expect(problem).toContain(' /replicas: expected ');
    expect(taken).toHaveLength(1);
    await replace(text());
    await until(() => taken[1]);
    expect(taken[1]).toBe(taken[0]);
    expect(refused).toHaveLength(1);
  });

  test('that stays away is said to be, with what to do', async () => {
    const { refused } = await followed();
    await unlink(path());
    expect(await until(() => refused[0])).toBe(
      `${path()} can't be read: there is no such file; put it back. Until then the present topology stays in force`,
    );
  });
});

describe('a coordinator', () => {
  async function started() {
    const [http, peer] = await freePorts(2);
    const url = `http://localhost:${http}`;
    const coordinators = { c1: { urls: [url], peer: `localhost:${peer}` } };
    await writeFile(path(), text({ coordinators }));
    const data = join(directory.path, 'c1');
    const program = catena(['coordinator', 'c1', '--topology', path(), '--data', data]);
    endings.push(() => program.kill());
    await program.says(/The coordinator runs/);
    const seen = async () =>
      (await (await fetch(`${url}/topology`)).json()) as { version: number; problem: string | null };
    await until(async () => ((await seen()).version === 1 ? true : undefined));
    return { program, url, coordinators, seen };
  }

  async function endsInOrder(program: Program): Promise<void> {
    const { code } = await program.kill('SIGTERM');
    expect(code).toBe(0);
  }

  test('takes edits of its file as they are made, keeps what it has over a bad one, and still stops in order', async () => {
    const { program, coordinators, seen } = await started();
    await replace(text({ coordinators, limits: { keyBytes: 2048 } }));
    await until(async () => ((await seen()).version === 2 ? true : undefined));
    await replace('{ "name": "half');
    const problem = await until(async () => (await seen()).problem ?? undefined);
    expect(problem).toContain(`${path()}:1:`);
    expect(await seen()).toMatchObject({ version: 2, topology: { limits: { keyBytes: 2048 } } });
    await replace(text({ coordinators, limits: { keyBytes: 2048 } }));
    await until(async () => ((await seen()).problem === null ? true : undefined));
    expect((await seen()).version).toBe(2);
    await endsInOrder(program);
  });

  test('takes an edit over HTTP, and what its file said before does not come back by a restart', async () => {
    const { program, url, coordinators, seen } = await started();
    const put = await fetch(`${url}/topology`, {
      method: 'PUT',
      headers: { 'If-Match': '"1"' },
      body: text({ coordinators, limits: { keyBytes: 4096 } }),
    });
    expect(await put.json()).toMatchObject({ version: 2, dryRun: false });
    await endsInOrder(program);
    const again = catena(['coordinator', 'c1', '--topology', path(), '--data', join(directory.path, 'c1')]);
    endings.push(() => again.kill());
    await again.says(/The coordinator runs/);
    await until(async () => ((await seen()).version === 2 ? true : undefined));
    expect(await seen()).toMatchObject({ topology: { limits: { keyBytes: 4096 } } });
    await endsInOrder(again);
  });
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { catena } from '../support/catena-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const directory = temporaryDirectory();

test.each([
  { args: [], says: 'Usage: catena' },
  { args: ['nonsense'], says: "unknown command 'nonsense'" },
  { args: ['up', '--nonsense'], says: "unknown option '--nonsense'" },
  { args: ['up', 'topology/local.json'], says: 'too many arguments' },
  { args: ['node', 'n1', '--data', 'data/n1'], says: '--topology' },
  { args: ['node', 'n1', '--topology', 'topology/local.json'], says: '--data' },
  { args: ['node', '--topology', 'topology/local.json', '--data', 'data/n1'], says: 'CATENA_NODE' },
  { args: ['coordinator', 'c1', '--topology', 'x', '--data', 'y', '--listen', '4460'], says: 'HOST:PORT' },
  { args: ['node', 'n1', '--topology', 'x', '--data', 'y', '--listen-peer', 'localhost'], says: 'HOST:PORT' },
  { args: ['topology', 'check'], says: "missing required argument 'file'" },
  { args: ['topology', 'plan', 'x', '--url', 'localhost:4460'], says: 'http://localhost:4460' },
  { args: ['topology', 'apply', 'x', '--if-version', 'last'], says: 'Give a version' },
  { args: ['force', '--url', 'http://localhost:4460'], says: '--survivor' },
  { args: ['get'], says: "missing required argument 'key'" },
  { args: ['get', 'key', '--url', 'localhost:4466'], says: 'http://localhost:4466' },
  { args: ['completion', 'cmd'], says: 'bash, zsh, fish' },
  { args: ['force', '--survivor', 'n2'], says: '--topology FILE or --url URL' },
])('wrong usage exits with 2 and says what is wrong: catena $args', async ({ args, says }) => {
  const { code, stdout, stderr } = await catena(args).ends();
  expect(stderr).toContain(says);
  expect(stdout).toBe('');
  expect(code).toBe(2);
});

test.each([
  '',
  'up',
  'node',
  'coordinator',
  'topology',
  'topology check',
  'topology plan',
  'topology apply',
  'force',
  'doctor',
  'status',
  'get',
  'set',
  'delete',
  'increment',
  'keys',
  'watch',
  'export',
  'import',
  'completion',
])('catena %s --help exits with 0 and prints how it is used', async (command) => {
  const { code, stdout } = await catena([...command.split(' '), '--help'].filter((it) => it !== '')).ends();
  expect(stdout).toContain(`Usage: catena ${command}`.trim());
  expect(code).toBe(0);
});

test.each([
  'up',
  'node',
  'coordinator',
  'topology check',
  'topology plan',
  'topology apply',
  'force',
  'doctor',
  'status',
  'get',
  'set',
  'delete',
  'increment',
  'keys',
  'watch',
  'export',
  'import',
  'completion',
])('catena %s --help shows an example', async (command) => {
  const { stdout } = await catena([...command.split(' '), '--help']).ends();
  expect(stdout).toContain(`Example:\n  $ catena ${command}`);
});

test('a variable stands in for an option, and is checked like one', async () => {
  const env = { CATENA_NODE: 'n1', CATENA_TOPOLOGY: 'x', CATENA_DATA: 'y', CATENA_LISTEN: 'nowhere' };
  const { code, stderr } = await catena(['node'], { env }).ends();
  expect(stderr).toContain("'CATENA_LISTEN'");
  expect(code).toBe(2);
});

test('topology check says that a good file is good, and exits with 0', async () => {
  const { code, stdout } = await catena(['topology', 'check', 'topology/local.json']).ends();
  expect(stdout).toBe('topology/local.json is good: the chain is n1 -> n2 -> n3\n');
  expect(code).toBe(0);
});

test('topology check tells every problem of a file with its line, and exits with 1', async () => {
  const file = join(directory.path, 'bad.json');
  await writeFile(file, '{\n  "name": 5,\n  "replicas": 3,\n  "chain": ["n1"],\n  "nodes": {}\n}\n');
  const { code, stderr } = await catena(['topology', 'check', file]).ends();
  expect(stderr).toContain(`${file}:2:`);
  expect(stderr).toContain('/name: expected');
  expect(stderr).toContain('coordinators');
  expect(code).toBe(1);
});

test('a file that is not there is said in words', async () => {
  const { code, stderr } = await catena(['topology', 'check', 'nowhere.json']).ends();
  expect(stderr).toBe(
    "catena: nowhere.json can't be read: there is no such file; give a topology file, such as topology/local.json\n",
  );
  expect(code).toBe(1);
});

test.each(['node', 'coordinator'])(
  'why a %s could not start is on standard error too, in one line',
  async (kind) => {
    const args = [kind, 'n9', '--topology', 'topology/local.json', '--data', join(directory.path, 'data')];
    const { code, stdout, stderr } = await catena(args).ends();
    expect(JSON.parse(stdout)).toMatchObject({ level: 60, code: 'BAD_TOPOLOGY' });
    expect(stderr).toMatch(/^catena: n9 is not in topology\/local.json, which has .*\n$/);
    expect(code).toBe(1);
  },
);

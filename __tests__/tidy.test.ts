/** The house rules that a machine can hold. Each failure is a list of what is wrong: `file: what`. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { filesBelow, PROJECT, parseSource, type SourceFile, sourceFiles } from './support/source-files.ts';

interface Room {
  /** Other rooms that it may import. */
  readonly rooms?: readonly string[];
  readonly packages?: readonly string[];
  /** Node's own modules; a name behind `#` is the only one that may be taken from there. */
  readonly node?: readonly string[];
  /** What is banned elsewhere and allowed here: names of `BANNED_GLOBALS`. */
  readonly globals?: readonly string[];
}

const ALL = ['*'];

const ABOVE_RUNTIME = ['base', 'protocol', 'replica', 'coordinator', 'topology', 'codec', 'ports', 'storage'];

/** Who may import whom. A room that is not here may not be. */
const ROOMS: Readonly<Record<string, Room>> = {
  base: {},
  protocol: { rooms: ['base'] },
  // Pure: no clock, no randomness, no I/O.
  replica: { rooms: ['base', 'protocol'], packages: ['sorted-btree'], node: ['node:zlib#crc32'] },
  coordinator: { rooms: ['base', 'protocol', 'topology'], packages: ['zod'], node: ['node:zlib#crc32'] },
  topology: {
    rooms: ['base', 'protocol'],
    packages: ['jsonc-parser', 'zod'],
    node: ['node:crypto#createHash'],
  },
  codec: { rooms: ['base', 'protocol'], node: ['node:buffer', 'node:zlib'] },
  ports: { rooms: ['base', 'protocol'] },
  // Over the ports.
  storage: {
    rooms: ['base', 'protocol', 'codec', 'ports'],
    node: ['node:path/posix', 'node:zlib#crc32'],
  },
  runtime: { rooms: ABOVE_RUNTIME },
  // The world.
  platform: {
    rooms: ['base', 'ports'],
    packages: ['chokidar', 'fs-native-extensions', 'p-retry', 'pino', 'pino-pretty'],
    node: ALL,
    globals: ALL,
  },
  http: {
    rooms: ['base', 'protocol', 'ports', 'runtime', 'topology'],
    packages: ['jsonc-parser', 'prom-client', 'restify', 'undici'],
    node: ['node:buffer', 'node:http', 'node:net', 'node:stream', 'node:stream/promises'],
  },
  // In other people's programs, in browsers too: its timers and chance are its own, and Node is in one file.
  client: {
    rooms: ['base', 'protocol'],
    packages: ['p-retry', 'undici'],
    globals: ['Date.now', 'performance.*', 'setTimeout', 'setImmediate', 'Math.random', 'crypto.*'],
  },
  server: {
    rooms: [...ABOVE_RUNTIME, 'runtime', 'platform', 'client', 'http', 'dashboard'],
    globals: ['process.*', 'console.*'],
  },
  // Chains in the processes of other people's tests.
  testing: {
    rooms: ['base', 'protocol', 'ports', 'topology', 'runtime', 'platform', 'server', 'client'],
  },
  // A world of its own, from a seed: turns of the event loop are all that it takes from this one.
  simulator: {
    rooms: [...ABOVE_RUNTIME, 'runtime'],
    node: ['node:zlib#crc32'],
    globals: ['setImmediate', 'process.*'],
  },
  cli: {
    rooms: ['base', 'protocol', 'topology', 'platform', 'client', 'server', 'simulator'],
    packages: ['commander'],
    node: [
      'node:child_process',
      'node:fs/promises',
      'node:os#availableParallelism',
      'node:path',
      'node:readline',
      'node:stream',
      'node:url',
      'node:util',
      'node:worker_threads',
    ],
    globals: ['process.*', 'console.*', 'performance.*', 'Math.random', 'AbortSignal.timeout'],
  },
};

/**
 * Time, chance and the outside come through the ports alone, so that one seed repeats everything. `.*` stands for all of
 * an object, a bare `Date` for handing the clock on; a date made of a number is harmless.
 */
const BANNED_GLOBALS = [
  'Date',
  'Date.now',
  'new Date()',
  'performance.*',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'AbortSignal.timeout',
  'Math.random',
  'crypto.*',
  'process.*',
  'console.*',
];

/** Where programs and their threads start: the files that nobody imports. */
const ENTRY_POINTS = [
  'src/cli/main.ts',
  'src/cli/simulate.ts',
  'src/cli/simulate-worker.ts',
  'src/client/browser.ts',
  'src/client/node.ts',
  'src/testing/start-chain.ts',
];
/** What other people's programs import: nothing here does. */
const FACES = ['src/client/browser.ts', 'src/client/node.ts', 'src/client/public.ts'];
const FILE_LINES_MAX = 500;
/** The field's words are chain, head, tail, predecessor, successor, epoch, configuration. */
const FORBIDDEN_WORDS = /leader(?!board)|follower|quorum|master|slave|\bterm\b/i;
const LEFTOVERS = /\b(TODO|FIXME|XXX|HACK)\b/;
/** This file and no other may hold what it forbids. */
const SELF = '__tests__/tidy.test.ts';
/** The switches of planted faults: product code asks whether one is there, tests alone plant them. */
const PLANTED = 'src/base/planted.ts';
/** The rooms that may ask: those that the simulator runs. */
const PLANTED_ROOMS = ['replica', 'coordinator', 'storage', 'runtime'];

const src = sourceFiles('src');
const tests = sourceFiles('__tests__');

test('each room imports only the rooms that it may', () => {
  const wrong = src.flatMap((file) =>
    roomsImportedBy(file)
      .filter((room) => !mayImport(roomOf(file.path), room))
      .map((room) => `${file.path}: may not import ${room}`),
  );
  expect(wrong).toEqual([]);
});

test('every room stands in the table', () => {
  const rooms = new Set(src.map((file) => roomOf(file.path)));
  expect([...rooms].filter((room) => !(room in ROOMS))).toEqual([]);
});

test('each room uses only the packages and the modules of Node that it may', () => {
  expect(src.flatMap(foreignImports)).toEqual([]);
});

test('time, chance and the process are touched only where they may be', () => {
  expect(src.flatMap(bannedGlobals)).toEqual([]);
});

test('faults are planted by tests alone', () => {
  expect(src.flatMap(plantings)).toEqual([]);
});

test('no file imports itself in a circle', () => {
  expect(circles(src)).toEqual([]);
});

test('no file hands on what another one exports, but for the faces of the package', () => {
  const handingOn = [...src, ...tests].filter((file) => file.reexports).map((file) => file.path);
  expect(handingOn.filter((path) => !FACES.includes(path))).toEqual([]);
});

test('every file of src is imported, or is where the program starts', () => {
  const imported = new Set(src.flatMap((file) => file.imports.map((it) => it.file)));
  const dead = src.filter((file) => !imported.has(file.path) && !ENTRY_POINTS.includes(file.path));
  expect(dead.map((file) => file.path)).toEqual([]);
});

test('everything that is exported is imported by somebody, or a type that the rest of its file speaks of', () => {
  expect(deadExports([...src, ...tests])).toEqual([]);
});

test('everything that src exports has a docstring', () => {
  expect(src.flatMap(undocumented)).toEqual([]);
});

test(`no file of src has more than ${FILE_LINES_MAX} lines`, () => {
  const long = src.filter((file) => file.text.split('\n').length > FILE_LINES_MAX + 1);
  expect(long.map((file) => file.path)).toEqual([]);
});

test("the code speaks the field's words", () => {
  expect(linesWith([...src, ...tests], FORBIDDEN_WORDS)).toEqual([]);
});

test('nothing is left over, and nothing names the machine that it was made on', () => {
  const texts = projectTexts();
  expect(linesWith(texts, LEFTOVERS)).toEqual([]);
  expect(linesWith(texts, machinePaths())).toEqual([]);
});

describe('the rules see', () => {
  const bad = (text: string): SourceFile => parseSource('src/replica/bad.ts', text);

  test('a clock, a timer, chance and the process, however they are written', () => {
    const file = bad(`
      const a = Date.now(), b = new Date(), c = Date, d = process?.env.HOME;
      setTimeout(() => Math.random(), performance.now());
      const fine = (process: { exit(): void }) => process.exit();
      const fineToo = new Date(0);`);
    expect(bannedGlobals(file).map((line) => line.split(' uses ')[1])).toEqual([
      'Date',
      'Date.now',
      'Math.random',
      'new Date()',
      'performance.now',
      'process.env',
      'setTimeout',
    ]);
  });

  test('imports of every kind', () => {
    const file = bad(`
      import type { Clock } from '../ports/clock.ts';
      import { readFile } from 'node:fs/promises';
      import pino from 'pino';
      const late = await import('../http/server.ts');
      let type: import('../storage/wal.ts').Wal;`);
    expect(roomsImportedBy(file)).toEqual(['ports', 'http', 'storage']);
    expect(foreignImports(file)).toHaveLength(2);
  });

  test('product code that plants a fault, or asks for one where the simulator does not run', () => {
    const planting = bad("import { isPlanted, plant } from '../base/planted.ts';");
    const all = bad("import * as planted from '../base/planted.ts';");
    const asking = parseSource('src/http/bad.ts', "import { isPlanted } from '../base/planted.ts';");
    const fine = bad("import { isPlanted } from '../base/planted.ts';");
    expect([planting, all, asking, fine].map((file) => plantings(file).length)).toEqual([1, 1, 1, 0]);
  });

  test('circles, dead exports, missing docstrings', () => {
    const a = parseSource('src/base/a.ts', "import { b } from './b.ts';\nexport const a = b, alone = 1;");
    const b = parseSource('src/base/b.ts', "import { a } from './a.ts';\n/** B. */\nexport const b = a;");
    expect(circles([a, b])).toEqual(['src/base/a.ts -> src/base/b.ts -> src/base/a.ts']);
    expect(deadExports([a, b])).toEqual(['src/base/a.ts: nobody imports alone']);
    expect([a, b].flatMap(undocumented)).toEqual(['src/base/a.ts:2: no docstring before what is exported']);
  });
});

function roomOf(path: string): string {
  return path.split('/')[1] ?? '';
}

function mayImport(from: string, to: string): boolean {
  return from === to || (ROOMS[from]?.rooms ?? []).includes(to);
}

function roomsImportedBy(file: SourceFile): string[] {
  return file.imports.flatMap((it) => (it.file?.startsWith('src/') ? [roomOf(it.file)] : []));
}

function foreignImports({ path, imports }: SourceFile): string[] {
  const { packages = [], node = [] } = ROOMS[roomOf(path)] ?? {};
  return imports
    .filter((it) => it.file === null)
    .filter(({ from, names }) => {
      if (!from.startsWith('node:')) return !packages.includes(from);
      return node !== ALL && !node.includes(from) && !names.every((name) => node.includes(`${from}#${name}`));
    })
    .map(({ from, names }) => `${path}: may not import ${names.join(', ')} from ${from}`);
}

function bannedGlobals({ path, globals }: SourceFile): string[] {
  const { globals: allowed = [] } = ROOMS[roomOf(path)] ?? {};
  if (allowed === ALL) return [];
  return globals
    .filter((used) => {
      const rules = BANNED_GLOBALS.filter((rule) => rule === used || rule === `${used.split('.')[0]}.*`);
      return rules.some((rule) => !allowed.includes(rule));
    })
    .map((used) => `${path} uses ${used}`);
}

function plantings({ path, imports }: SourceFile): string[] {
  const mayAsk = PLANTED_ROOMS.includes(roomOf(path));
  return imports
    .filter((it) => it.file === PLANTED)
    .filter(({ names }) => !mayAsk || names.some((name) => name !== 'isPlanted'))
    .map(({ names }) => `${path}: may not import ${names.join(', ')} from ${PLANTED}`);
}

function circles(files: readonly SourceFile[]): string[] {
  const importsOf = new Map(files.map((file) => [file.path, file.imports.map((it) => it.file)]));
  const done = new Set<string>();
  const found: string[] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) found.push([...trail.slice(start), path].join(' -> '));
    if (start >= 0 || done.has(path)) return;
    for (const next of importsOf.get(path) ?? []) if (next !== null) walk(next, [...trail, path]);
    done.add(path);
  };
  for (const path of importsOf.keys()) walk(path, []);
  return found;
}

function deadExports(files: readonly SourceFile[]): string[] {
  const used = new Set(
    files.flatMap((file) => file.imports.flatMap((it) => it.names.map((name) => `${it.file} ${name}`))),
  );
  return files.flatMap(({ path, text, exports }) =>
    exports
      .filter((name) => !used.has(`${path} ${name}`) && !used.has(`${path} *`))
      .filter((name) => !isSpokenType(name, text))
      .map((name) => `${path}: nobody imports ${name}`),
  );
}

/** A type that stands in the signature of another export: callers need its shape, though not its name. */
function isSpokenType(name: string, text: string): boolean {
  const isType = new RegExp(`^export (interface|type) ${name}\\b`, 'm').test(text);
  return isType && (text.match(new RegExp(`\\b${name}\\b`, 'g')) ?? []).length > 1;
}

function undocumented({ path, text }: SourceFile): string[] {
  const lines = text.split('\n');
  return lines.flatMap((line, i) => {
    if (!/^export (?!\{|type \{|\*)/.test(line) || lines[i - 1]?.trimEnd().endsWith('*/')) return [];
    return [`${path}:${i + 1}: no docstring before what is exported`];
  });
}

interface Text {
  readonly path: string;
  readonly text: string;
}

function linesWith(files: readonly Text[], pattern: RegExp): string[] {
  return files
    .filter(({ path }) => path !== SELF)
    .flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
    );
}

/** Everything that people wrote: not what npm, git or a running cluster did. */
function projectTexts(): Text[] {
  const made = ['node_modules', '.git', 'data', 'coverage', 'package-lock.json', 'LICENSE'];
  const paths = readdirSync(PROJECT)
    .filter((name) => !made.includes(name) && !name.endsWith('.log'))
    .flatMap((name) => (statSync(join(PROJECT, name)).isDirectory() ? filesBelow(name) : [name]));
  return paths.map((path) => ({ path, text: readFileSync(join(PROJECT, path), 'utf8') }));
}

function machinePaths(): RegExp {
  const homes = ['/home/\\w', '/Users/\\w', '[A-Z]:\\\\\\\\Users'];
  const here = [PROJECT, homedir()]
    .filter((path) => path.length > 1)
    .map((path) => `${escaped(path)}(/|\\b)`);
  return new RegExp([...homes, ...here].join('|'));
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

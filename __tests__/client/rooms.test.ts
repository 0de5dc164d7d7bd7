/** What the client drags into other people's programs. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT, parseSource, type SourceFile, sourceFiles } from '../support/source-files.ts';

const files = new Map(
  [...sourceFiles('src/client'), ...sourceFiles('src/base'), ...sourceFiles('src/protocol')].map((file) => [
    file.path,
    file,
  ]),
);

/** Every file that is reached from this one when it runs: types are gone by then. */
function graphOf(entry: string): SourceFile[] {
  const reached = new Set<string>();
  const walk = (path: string): void => {
    if (reached.has(path)) return;
    reached.add(path);
    const file = files.get(path);
    if (file === undefined) throw new Error(`${path} is not a file that the client may reach`);
    for (const it of withoutTypes(file).imports) if (it.file !== null) walk(it.file);
  };
  walk(entry);
  return [...reached].flatMap((path) => files.get(path) ?? []);
}

function withoutTypes({ path, text }: SourceFile): SourceFile {
  return parseSource(path, text.replaceAll(/^import type [^;]+;/gm, ''));
}

function packagesIn(graph: readonly SourceFile[]): string[] {
  return [
    ...new Set(
      graph.flatMap((file) =>
        withoutTypes(file)
          .imports.filter((it) => it.file === null)
          .map((it) => it.from),
      ),
    ),
  ].sort();
}

test('the entry for browsers reaches nothing of Node, and no package but p-retry', () => {
  const graph = graphOf('src/client/browser.ts');
  expect(graph.length).toBeGreaterThan(20);
  expect(packagesIn(graph)).toEqual(['p-retry']);
  const ofNode = /^(Buffer|process|global|require|__dirname)(\.|$)/;
  const used = graph
    .filter(({ path }) => path.startsWith('src/client/'))
    .flatMap(({ path, globals }) => globals.filter((it) => ofNode.test(it)).map((it) => `${path}: ${it}`));
  expect(used).toEqual([]);
});

test('p-retry and what it needs use nothing of Node', () => {
  for (const name of ['p-retry', 'is-network-error']) {
    const text = readFileSync(join(PROJECT, 'node_modules', name, 'index.js'), 'utf8');
    const imports = parseSource(`${name}/index.js`, text).imports.map((it) => it.from);
    expect(imports.filter((from) => from !== 'is-network-error')).toEqual([]);
  }
});

test('the entry for Node adds undici alone', () => {
  expect(packagesIn(graphOf('src/client/node.ts'))).toEqual(['p-retry', 'undici']);
});

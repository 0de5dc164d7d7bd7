import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from '@swc/core';

/** The directory of the project. */
export const PROJECT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** An import: what is taken from where; `names` holds `*` when all of it is. */
export interface Import {
  /** As written. */
  readonly from: string;
  /** The project's file that it means, from the project's directory; `null` for packages and Node's own modules. */
  readonly file: string | null;
  readonly names: readonly string[];
}

/** What the house rules look at in a file of code. */
export interface SourceFile {
  /** From the project's directory, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
  readonly exports: readonly string[];
  /** Exports what another file holds. */
  readonly reexports: boolean;
  /** Globals that it uses, as `process`, `Date.now` or `new Date()`, each once. */
  readonly globals: readonly string[];
}

interface Node {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** swc gives this context to names that no scope of the file declares. */
const GLOBAL_CONTEXT = 1;

/** All TypeScript below a directory of the project, but declaration files. */
export function sourceFiles(directory: string): SourceFile[] {
  return filesBelow(directory)
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
    .map((path) => parseSource(path, readFileSync(join(PROJECT, path), 'utf8')));
}

/** All files below a directory of the project, by their paths from there. */
export function filesBelow(directory: string): string[] {
  const entries = readdirSync(join(PROJECT, directory), { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(PROJECT, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort();
}

/** Reads a text as the file that `path` would be. */
export function parseSource(path: string, text: string): SourceFile {
  const imports: Import[] = [];
  const exports: string[] = [];
  const globals = new Set<string>();
  let reexports = false;
  const seen = (from: string, names: readonly string[]): void => {
    imports.push({ from, file: from.startsWith('.') ? join(dirname(path), from) : null, names });
  };
  visit(parseSync(text, { syntax: 'typescript', target: 'es2024' }) as unknown as Node, (node, parent) => {
    switch (node.type) {
      case 'ImportDeclaration':
        seen(textOf(node.source), nodesIn(node.specifiers).map(importedName));
        break;
      case 'CallExpression':
        if (typeOf(node.callee) === 'Import') seen(importedPath(node), ['*']);
        break;
      case 'TsImportType':
        seen(textOf(node.argument), ['*']);
        break;
      case 'ExportAllDeclaration':
        reexports = true;
        seen(textOf(node.source), ['*']);
        break;
      case 'ExportNamedDeclaration':
        if (node.source) {
          reexports = true;
          seen(textOf(node.source), ['*']);
        } else {
          exports.push(...nodesIn(node.specifiers).map((it) => textOf(it.exported ?? it.orig)));
        }
        break;
      case 'ExportDeclaration':
        exports.push(...declaredNames(node.declaration as Node));
        break;
      case 'Identifier':
        if (node.ctxt === GLOBAL_CONTEXT) globals.add(globalName(node, parent));
        break;
    }
  });
  return { path, text, imports, exports, reexports, globals: [...globals].sort() };
}

function visit(
  node: Node,
  call: (node: Node, parent: Node | null) => void,
  parent: Node | null = null,
): void {
  call(node, parent);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isObject(child)) visit(child as Node, call, isNode(node) ? node : parent);
    }
  }
}

function globalName(node: Node, parent: Node | null): string {
  const name = textOf(node);
  if (parent?.type === 'MemberExpression' && parent.object === node) {
    const property = textOf(parent.property);
    return property === '' ? name : `${name}.${property}`;
  }
  if (parent?.type === 'NewExpression' && parent.callee === node) {
    return nodesIn(parent.arguments).length === 0 ? `new ${name}()` : `new ${name}(...)`;
  }
  return name;
}

function importedName(specifier: Node): string {
  if (specifier.type === 'ImportNamespaceSpecifier') return '*';
  if (specifier.type === 'ImportDefaultSpecifier') return 'default';
  return textOf(specifier.imported ?? specifier.local);
}

function importedPath(call: Node): string {
  const [argument] = nodesIn(call.arguments);
  return textOf(argument?.expression);
}

function declaredNames(declaration: Node): string[] {
  if (declaration.type === 'VariableDeclaration') {
    return nodesIn(declaration.declarations).map((it) => textOf(it.id));
  }
  return [textOf(declaration.identifier ?? declaration.id)];
}

/** The name or text that a node stands for; the empty text when it is something else. */
function textOf(node: unknown): string {
  return isObject(node) && typeof node.value === 'string' ? node.value : '';
}

function typeOf(node: unknown): unknown {
  return isObject(node) ? node.type : undefined;
}

function nodesIn(value: unknown): Node[] {
  return Array.isArray(value) ? value.filter(isObject).map((it) => it as Node) : [];
}

function isNode(value: Record<string, unknown>): value is Node {
  return typeof value.type === 'string';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

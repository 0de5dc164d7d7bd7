import { createHash } from 'node:crypto';
import type { z } from 'zod';
import type { Topology } from '../protocol/topology.ts';
import { type JsonFault, type JsonText, type Path, readJson } from './json-text.ts';
import { type Section, topologySchema } from './schema.ts';
import { type Finding, findNonsense, pointerOf, type SoundSections } from './sense.ts';

/** Something wrong in a topology file. */
export interface TopologyProblem {
  /** The file's name, as it was given. */
  readonly source: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
  /** JSON pointer (RFC 6901) of the value; the empty text for the whole file. */
  readonly pointer: string;
  /** What was expected, and what was found. */
  readonly message: string;
}

/** A sound topology, or all that is wrong with the text. */
export type ParsedTopology =
  | {
      readonly kind: 'ok';
      readonly topology: Topology;
      /** Of what the file says: the same however it is laid out, and whatever the defaults are. */
      readonly digest: string;
    }
  | { readonly kind: 'bad'; readonly problems: readonly TopologyProblem[] };

/** The longest topology file, in UTF-16 units. */
const TOPOLOGY_CHARACTERS_MAX = 1_048_576;
/** Most problems that are told of one file. */
const PROBLEMS_MAX = 100;
/** Most that are looked up in it, in the order of the schema: a file can hold 100,000, and whoever reads it has other work too. */
const FINDINGS_MAX = 1000;

/** Reads a topology file. All of its problems are given, in the order in which they stand in the file. */
export function parseTopology(text: string, source: string): ParsedTopology {
  if (text.length > TOPOLOGY_CHARACTERS_MAX) {
    const message = `expected at most ${TOPOLOGY_CHARACTERS_MAX} characters, found ${text.length}`;
    return { kind: 'bad', problems: [{ source, line: 1, column: 1, pointer: '', message }] };
  }
  if (text.replace('\uFEFF', '').trim() === '') {
    const message = 'expected a topology, found an empty file';
    return { kind: 'bad', problems: [{ source, line: 1, column: 1, pointer: '', message }] };
  }
  const read = readJson(text);
  if ('faults' in read) return bad(read.faults.map((fault) => problemOf(fault, source)));
  return check(read.json, source);
}

/** A problem as one line: `topology/local.json:7:14 /nodes/n1/urls/0: expected ...`. */
export function describeProblem(problem: TopologyProblem): string {
  const { source, line, column, pointer, message } = problem;
  return `${source}:${line}:${column}${pointer === '' ? '' : ` ${pointer}`}: ${message}`;
}

function check(json: JsonText, source: string): ParsedTopology {
  const parsed = topologySchema.safeParse(json.value);
  const findings = [
    ...(parsed.success ? [] : parsed.error.issues.flatMap((issue) => findingsOf(issue, json.value))),
    ...findNonsense(parsed.success ? parsed.data : soundSections(json.value)),
  ];
  if (findings.length > 0) {
    return bad(findings.slice(0, FINDINGS_MAX).map((finding) => located(finding, json, source)));
  }
  return { kind: 'ok', topology: topologySchema.parse(json.value), digest: digestOf(json.value) };
}

function bad(problems: TopologyProblem[]): ParsedTopology {
  problems.sort((a, b) => a.line - b.line || a.column - b.column);
  return { kind: 'bad', problems: problems.slice(0, PROBLEMS_MAX) };
}

/** So that a fault in one section doesn't hide what makes no sense in the others. */
function soundSections(value: unknown): SoundSections {
  if (!isObject(value)) return {};
  const sound: Record<string, unknown> = {};
  for (const section of Object.keys(topologySchema.shape) as Section[]) {
    const parsed = topologySchema.shape[section].safeParse(value[section]);
    if (parsed.success) sound[section] = parsed.data;
  }
  return sound as SoundSections;
}

function findingsOf(issue: z.core.$ZodIssue, document: unknown): Finding[] {
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...path, key],
      at: 'key' as const,
      message: `expected ${issue.message}, found "${brief(key)}"`,
    }));
  }
  const found = valueAt(document, path);
  if (found === undefined) {
    return [
      { path, at: 'value', message: `expected ${issue.message}, found nothing: "${path.at(-1)}" is missing` },
    ];
  }
  const at = issue.code === 'invalid_key' ? 'key' : 'value';
  const shown = at === 'key' ? `"${brief(String(path.at(-1)))}"` : show(found);
  return [{ path, at, message: `expected ${issue.message}, found ${shown}` }];
}

function valueAt(document: unknown, path: Path): unknown {
  let value = document;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

function show(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  return isObject(value) ? 'an object' : brief(JSON.stringify(value));
}

function brief(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}

function located(finding: Finding, json: JsonText, source: string): TopologyProblem {
  return problemOf({ ...json.position(finding.path, finding.at), ...finding }, source);
}

function problemOf({ line, column, path, message }: JsonFault, source: string): TopologyProblem {
  return { source, line, column, pointer: pointerOf(path), message };
}

/** `$schema` is for editors, so a change of it is no edit. */
function digestOf(value: unknown): string {
  const { $schema: _, ...said } = isObject(value) ? value : {};
  return createHash('sha256').update(canonical(said)).digest('hex');
}

/** JSON with the properties of each object in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

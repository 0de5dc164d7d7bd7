import { type Node, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';

/** Where something stands in a text, both counted from 1; columns in UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** The way from the top of a document to one of its values. */
export type Path = readonly (string | number)[];

/** A JSON document that knows where each of its values stands. */
export interface JsonText {
  readonly value: unknown;
  /** Of a value, or of the nearest around it that is there; `key` asks for the property's name instead. */
  position(path: Path, of: 'value' | 'key'): Position;
}

/** Something that isn't plain JSON (RFC 8259), and where. */
export interface JsonFault extends Position {
  readonly path: Path;
  readonly message: string;
}

const EXPECTED: Readonly<Record<string, string>> = {
  InvalidSymbol: 'expected a JSON value, found a word that is none (texts stand in double quotes)',
  InvalidNumberFormat: 'expected a number',
  PropertyNameExpected: 'expected a property name in double quotes (no comma behind the last one)',
  ValueExpected: 'expected a value (no comma behind the last one)',
  ColonExpected: 'expected ":" behind the property name',
  CommaExpected: 'expected "," between two values',
  CloseBraceExpected: 'expected "}": an object is not closed',
  CloseBracketExpected: 'expected "]": a list is not closed',
  EndOfFileExpected: 'expected the end of the file',
  InvalidCommentToken: 'expected no comment: JSON has none',
  UnexpectedEndOfComment: 'expected no comment: JSON has none',
  UnexpectedEndOfString: 'expected a closing double quote on this line',
  UnexpectedEndOfNumber: 'expected more digits',
  InvalidUnicode: 'expected four hexadecimal digits behind "\\u"',
  InvalidEscapeCharacter: 'expected one of " \\ / b f n r t u behind a backslash in a text',
  InvalidCharacter: 'expected a text without control characters (write them as \\u0000)',
};

/** Reads plain JSON: no comments, no commas at the end, no property twice. Every fault is given. */
export function readJson(
  text: string,
): { readonly json: JsonText } | { readonly faults: readonly JsonFault[] } {
  // Some editors mark UTF-8 with this unit, which JSON lets a reader ignore.
  const plain = text.startsWith('\uFEFF') ? text.slice(1) : text;
  const positionAt = locator(plain);
  const located = ({ message, offset, path }: Fault): JsonFault => ({ ...positionAt(offset), path, message });
  try {
    const { root, faults } = parsed(plain);
    if (root === undefined || faults.length > 0) return { faults: faults.map(located) };
    return { json: jsonText(plain, root, positionAt) };
  } catch (error) {
    // The parser recurses once per level.
    if (!(error instanceof RangeError)) throw error;
    return {
      faults: [located({ message: 'expected fewer values one inside the other', offset: 0, path: [] })],
    };
  }
}

interface Fault {
  readonly message: string;
  readonly offset: number;
  readonly path: Path;
}

function parsed(text: string): { root: Node | undefined; faults: readonly Fault[] } {
  const errors: ParseError[] = [];
  const options = { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false };
  const root = parseTree(text, errors, options);
  // Where it lost the thread the parser says more than one thing; the first is to the point.
  const told = new Set<number>();
  const isFirst = ({ offset }: ParseError) => !told.has(offset) && told.add(offset);
  const faults = errors
    .filter(isFirst)
    .map(({ error, offset }) => ({ message: expectedBy(error), offset, path: [] }));
  return { root, faults: root === undefined || faults.length > 0 ? faults : [...badNames(root, [])] };
}

function expectedBy(error: ParseError['error']): string {
  const name = printParseErrorCode(error);
  return EXPECTED[name] ?? `expected plain JSON (${name})`;
}

function jsonText(text: string, root: Node, positionAt: (offset: number) => Position): JsonText {
  const find = finder();
  return {
    value: JSON.parse(text),
    position(path, of) {
      let node = root;
      for (const [place, step] of path.entries()) {
        const found = find(node, step);
        if (found === undefined) break;
        if (of === 'key' && place === path.length - 1) return positionAt(found.key.offset);
        node = found.value;
      }
      return positionAt(node.offset);
    },
  };
}

/** What stands at one step of a path. */
interface Child {
  /** The property's name in an object; in a list the value. */
  readonly key: Node;
  readonly value: Node;
}

/** Finds the children of nodes, each in O(1) once its node was asked: a bad file may have many faults in one object. */
function finder(): (node: Node, step: string | number) => Child | undefined {
  const known = new Map<Node, Map<string | number, Child>>();
  return (node, step) => {
    let children = known.get(node);
    if (children === undefined) {
      children = new Map(childrenOf(node));
      known.set(node, children);
    }
    return children.get(step);
  };
}

function* childrenOf(node: Node): Generator<[string | number, Child]> {
  for (const [place, child] of (node.children ?? []).entries()) {
    const [key, value] = child.children ?? [];
    if (node.type === 'array') yield [place, { key: child, value: child }];
    else if (key !== undefined && value !== undefined) yield [String(key.value), { key, value }];
  }
}

function* badNames(node: Node, path: Path): Generator<Fault> {
  const seen = new Set<string>();
  for (const [place, child] of (node.children ?? []).entries()) {
    if (node.type === 'array') yield* badNames(child, [...path, place]);
    const [key, value] = child.children ?? [];
    if (node.type !== 'object' || key === undefined) continue;
    const name = String(key.value);
    const wrong = { offset: key.offset, path: [...path, name] };
    if (seen.has(name)) yield { message: `expected each property once, found "${name}" again`, ...wrong };
    // Objects inherit a property of this name, so libraries pass it over in silence.
    if (name === '__proto__') yield { message: 'expected any other name than "__proto__"', ...wrong };
    seen.add(name);
    if (value !== undefined) yield* badNames(value, [...path, name]);
  }
}

function locator(text: string): (offset: number) => Position {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    // By halves: a large file may have as many faults as lines.
    let line = 1;
    for (let beyond = starts.length + 1; beyond - line > 1; ) {
      const middle = (line + beyond) >>> 1;
      if ((starts[middle - 1] ?? 0) <= offset) line = middle;
      else beyond = middle;
    }
    return { line, column: offset - (starts[line - 1] ?? 0) + 1 };
  };
}

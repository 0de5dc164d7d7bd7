/** A pattern of Redis: `*`, `?`, `[a-z]`, `[^a]`, and `\` before what stands for itself. */
export interface RedisGlob {
  /** What every text that matches begins with. */
  readonly prefix: string;
  matches(text: string): boolean;
}

/** One character, or with `*` any number of them. */
type Token = '*' | ((character: string) => boolean);

/** Takes a pattern apart. Any text is one: what is not closed goes to its end, as in Redis. A character is one of Unicode. */
export function parseGlob(pattern: string): RedisGlob {
  const characters = Array.from(pattern);
  const tokens: Token[] = [];
  let prefix = '';
  let literals = 0;
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    const escaped = character === '\\' && at + 1 < characters.length;
    if (!escaped && character === '*') tokens.push('*');
    else if (!escaped && character === '?') tokens.push(() => true);
    else if (!escaped && character === '[') at = readClass(characters, at, tokens);
    else {
      const literal = escaped ? (characters[++at] ?? '') : character;
      if (literals === tokens.length) {
        prefix += literal;
        literals++;
      }
      tokens.push((other) => other === literal);
    }
  }
  return { prefix, matches: (text) => matches(tokens, Array.from(text)) };
}

/** @returns where its last character stands. */
function readClass(characters: readonly string[], from: number, tokens: Token[]): number {
  let at = from + 1;
  const negated = characters[at] === '^';
  if (negated) at++;
  const ranges: [number, number][] = [];
  for (; at < characters.length && characters[at] !== ']'; at++) {
    if (characters[at] === '\\' && at + 1 < characters.length) at++;
    const first = codeOf(characters[at]);
    const isRange = characters[at + 1] === '-' && at + 2 < characters.length;
    const last = isRange ? codeOf(characters[at + 2]) : first;
    if (isRange) at += 2;
    ranges.push([Math.min(first, last), Math.max(first, last)]);
  }
  tokens.push((character) => {
    const code = codeOf(character);
    return ranges.some(([least, most]) => code >= least && code <= most) !== negated;
  });
  return at;
}

function codeOf(character: string | undefined): number {
  return character?.codePointAt(0) ?? 0;
}

/** On a mismatch only the last `*` takes one more: the time is at most that of pattern times text. */
function matches(tokens: readonly Token[], text: readonly string[]): boolean {
  let token = 0;
  let at = 0;
  let star: { readonly token: number; at: number } | null = null;
  while (at < text.length) {
    const wanted = tokens[token];
    if (wanted === '*') {
      star = { token: ++token, at };
    } else if (wanted?.(text[at] ?? '') === true) {
      token++;
      at++;
    } else if (star !== null) {
      token = star.token;
      at = ++star.at;
    } else {
      return false;
    }
  }
  return tokens.slice(token).every((rest) => rest === '*');
}

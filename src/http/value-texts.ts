import { createScanner, type JSONScanner, type SyntaxKind } from 'jsonc-parser';
import { Refusal } from './problem.ts';

/** What opens, closes and parts a value. jsonc-parser's own names are a const enum, which isn't there at run time. */
const OPEN_BRACE = 1 satisfies SyntaxKind.OpenBraceToken;
const CLOSE_BRACE = 2 satisfies SyntaxKind.CloseBraceToken;
const OPEN_BRACKET = 3 satisfies SyntaxKind.OpenBracketToken;
const CLOSE_BRACKET = 4 satisfies SyntaxKind.CloseBracketToken;
const COMMA = 5 satisfies SyntaxKind.CommaToken;
const EOF = 17 satisfies SyntaxKind.EOF;

/**
 * The text that each operation's `value` has in the body of a batch, by the operation's index. `text` is JSON that
 * `JSON.parse` took; as there, of members that come twice the last counts. One pass, however deep the text is nested.
 *
 * @throws Refusal BAD_JSON when the text ends too early.
 */
export function valueTexts(text: string): ReadonlyMap<number, string> {
  const scan = new Scan(text);
  const texts = new Map<number, string>();
  scan.members((batchMember) => {
    if (batchMember !== 'operations') return scan.skip();
    texts.clear();
    scan.elements((index) =>
      scan.members((member) => {
        const from = scan.from;
        scan.skip();
        if (member === 'value') texts.set(index, text.slice(from, scan.skippedTo));
      }),
    );
  });
  return texts;
}

/** Goes through JSON token by token; each method begins at the first token of a value and ends behind its last. */
class Scan {
  readonly #scanner: JSONScanner;
  #token: number;
  /** Where what was last skipped ends. */
  skippedTo = 0;

  constructor(text: string) {
    this.#scanner = createScanner(text, true);
    this.#token = this.#scanner.scan();
  }

  /** Where the token at hand begins. */
  get from(): number {
    return this.#scanner.getTokenOffset();
  }

  /** Calls at the value of each member; skips what is no object. */
  members(atValue: (name: string) => void): void {
    if (!this.#at(OPEN_BRACE)) return this.skip();
    this.#next();
    while (!this.#at(CLOSE_BRACE)) {
      const name = this.#scanner.getTokenValue();
      this.#next();
      this.#next();
      atValue(name);
      if (this.#at(COMMA)) this.#next();
    }
    this.#next();
  }

  /** Calls at each element; skips what is no array. */
  elements(atElement: (index: number) => void): void {
    if (!this.#at(OPEN_BRACKET)) return this.skip();
    this.#next();
    for (let index = 0; !this.#at(CLOSE_BRACKET); index++) {
      atElement(index);
      if (this.#at(COMMA)) this.#next();
    }
    this.#next();
  }

  skip(): void {
    let depth = 0;
    do {
      if (this.#at(OPEN_BRACE) || this.#at(OPEN_BRACKET)) depth++;
      if (this.#at(CLOSE_BRACE) || this.#at(CLOSE_BRACKET)) depth--;
      this.skippedTo = this.#scanner.getTokenOffset() + this.#scanner.getTokenLength();
      this.#next();
    } while (depth > 0);
  }

  #at(token: number): boolean {
    return this.#token === token;
  }

  #next(): void {
    if (this.#at(EOF)) throw new Refusal('BAD_JSON', 'the body is not valid JSON; send {"operations":[…]}');
    this.#token = this.#scanner.scan();
  }
}

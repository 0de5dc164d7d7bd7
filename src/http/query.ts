import { Refusal } from './problem.ts';

/** The query of a request. Unknown parameters are ignored; one that is asked for may stand there only once. */
export class Query {
  readonly #raw: string;
  #parts: ReadonlyMap<string, readonly string[]> | null = null;

  /** `raw` is what follows the `?`, as it came. */
  constructor(raw: string) {
    this.#raw = raw;
  }

  /**
   * The parameter's text, `+` standing for a space, or `undefined` when it isn't there.
   *
   * @throws Refusal BAD_PARAMETER when it stands there twice or is not percent-encoded UTF-8.
   */
  text(name: string): string | undefined {
    if (this.#raw === '') return undefined;
    this.#parts ??= split(this.#raw);
    const values = this.#parts.get(name);
    if (values === undefined) return undefined;
    const [value] = values;
    if (value === undefined || values.length > 1) throw badParameter(name, 'give it once');
    const text = decodeForm(value);
    if (text === null) throw badParameter(name, 'percent-encode it as UTF-8');
    return text;
  }

  /**
   * A parameter that is `true` or `false`; not given means `false`.
   *
   * @throws Refusal BAD_PARAMETER when it is anything else.
   */
  flag(name: string): boolean {
    const text = this.text(name);
    if (text === undefined || text === 'false') return false;
    if (text === 'true') return true;
    throw badParameter(name, 'give true or false');
  }

  /**
   * A whole number within `least` and `most`, or `undefined` when it isn't there.
   *
   * @throws Refusal BAD_PARAMETER when it is anything else.
   */
  integer(name: string, { least, most }: { least: number; most: number }): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const number = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= least && number <= most) return number + 0;
    throw badParameter(name, `give a whole number from ${least} to ${most}`);
  }
}

/** A 400 that names the parameter and says what is expected of it. */
export function badParameter(name: string, expected: string): Refusal {
  return new Refusal('BAD_PARAMETER', `parameter ${name}: ${expected}`, { members: { parameter: name } });
}

function split(raw: string): ReadonlyMap<string, readonly string[]> {
  const parts = new Map<string, string[]>();
  for (const part of raw.split('&')) {
    const equals = part.indexOf('=');
    const name = decodeForm(equals < 0 ? part : part.slice(0, equals));
    if (name === null) continue;
    const values = parts.get(name);
    const value = equals < 0 ? '' : part.slice(equals + 1);
    if (values === undefined) parts.set(name, [value]);
    else values.push(value);
  }
  return parts;
}

function decodeForm(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}

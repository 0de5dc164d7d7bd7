import { badFrame } from './bytes.ts';

/** Checks a parsed JSON value, found at `at`, and throws CatenaError BAD_FRAME if it is not what it should be. */
export type Shape = (value: unknown, at: string) => void;

/** Any string. */
export const text: Shape = (value, at) => expect(typeof value === 'string', at, 'a text');
/** A boolean. */
export const flag: Shape = (value, at) => expect(typeof value === 'boolean', at, 'true or false');
/** From 0 to 2^53-1. */
export const whole: Shape = (value, at) =>
  expect(Number.isSafeInteger(value) && (value as number) >= 0, at, 'a whole number');
/** Any number that JSON can hold. */
export const finite: Shape = (value, at) =>
  expect(typeof value === 'number' && Number.isFinite(value), at, 'a number');

/** One of these strings. */
export function oneOf(...choices: readonly string[]): Shape {
  return (value, at) => expect(choices.includes(value as string), at, `one of ${choices.join(', ')}`);
}

/** `null` or the shape. */
export function nullable(shape: Shape): Shape {
  return (value, at) => {
    if (value !== null) shape(value, at);
  };
}

/** Absent or the shape. */
export function optional(shape: Shape): Shape {
  return (value, at) => {
    if (value !== undefined) shape(value, at);
  };
}

/** An array of at least `itemsMin` items (0 unless given), all of one shape. */
export function listOf(shape: Shape, options: { itemsMin?: number } = {}): Shape {
  return (value, at) => {
    if (!Array.isArray(value)) throw badFrame(`${at} should be a list`);
    expect(value.length >= (options.itemsMin ?? 0), at, 'longer');
    for (const [index, item] of value.entries()) shape(item, `${at}/${index}`);
  };
}

/** An object used as a table: any names, one shape of values. */
export function tableOf(shape: Shape): Shape {
  return (value, at) => {
    for (const [name, item] of Object.entries(asObject(value, at))) shape(item, `${at}/${name}`);
  };
}

/** An object with these fields; others are let through, so that a later version may add some. */
export function fields(shapes: Readonly<Record<string, Shape>>): Shape {
  const checks = Object.entries(shapes);
  return (value, at) => {
    const object = asObject(value, at);
    for (const [name, shape] of checks) {
      shape(Object.hasOwn(object, name) ? object[name] : undefined, `${at}/${name}`);
    }
  };
}

function asObject(value: unknown, at: string): Record<string, unknown> {
  expect(typeof value === 'object' && value !== null && !Array.isArray(value), at, 'an object');
  return value as Record<string, unknown>;
}

function expect(holds: boolean, at: string, what: string): void {
  if (!holds) throw badFrame(`${at} should be ${what}`);
}

import { createRequire } from 'node:module';
import { type Call, Fails, Many, type Outcome } from './behaviour-list.ts';

/** Something with the commands of Redis as methods. */
export type World = object;

/** The world of ioredis-mock, empty. It is CommonJS and wants to be required. */
export function mockWorld(): World & { disconnect(): void; flushall(): Promise<unknown> } {
  const Mock = createRequire(import.meta.url)('ioredis-mock');
  return new Mock();
}

/** Makes a call with `mark` in place of the `k:` of its keys, and takes it out of what comes back. Errors are outcomes. */
export async function outcomeOf(world: World, call: Call, mark: string): Promise<Outcome> {
  const [command, ...args] = call.map((argument) => marked(argument, mark)) as [string, ...unknown[]];
  try {
    const given = command === 'scan*' ? scanned(world, args) : run(world, command, args);
    return unmarked(await given, mark);
  } catch (error) {
    return new Fails(error instanceof Error ? error.message : String(error));
  }
}

/** Whether what came is what was to come. */
export function isOutcome(came: Outcome, expected: Outcome): boolean {
  if (expected instanceof Fails) return came instanceof Fails && came.message.includes(expected.message);
  if (expected instanceof Many) return Array.isArray(came) && came.length === expected.count;
  return worded(came) === worded(expected);
}

/** An outcome in words, the same for the same. */
export function worded(outcome: Outcome): string {
  if (outcome instanceof Fails) return `fails: ${outcome.message}`;
  if (outcome instanceof Many) return `${outcome.count} values`;
  if (Buffer.isBuffer(outcome)) return `bytes <${outcome.toString('hex').replace(/(..)(?=.)/g, '$1 ')}>`;
  if (outcome instanceof Map) return `Map${worded([...outcome])}`;
  if (Array.isArray(outcome)) return `[${outcome.map(worded).join(', ')}]`;
  if (typeof outcome === 'number' || outcome === undefined) return String(outcome);
  return JSON.stringify(outcome);
}

async function run(world: World, command: string, args: readonly unknown[]): Promise<unknown> {
  const method: unknown = Reflect.get(world, command);
  if (typeof method !== 'function') throw new Error(`there is no ${command}`);
  const given: unknown = await method.apply(world, args);
  if (command !== 'scan' || !Array.isArray(given)) return given;
  // A scan gives keys in no order.
  const [cursor, keys] = given as [string, string[]];
  return [cursor, [...keys].sort()];
}

/** Far more turns than any list here needs. */
const TURNS_MAX = 10_000;

async function scanned(world: World, args: readonly unknown[]): Promise<string[]> {
  const keys = new Set<string>();
  let cursor = '0';
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    const [next, found] = (await run(world, 'scan', [cursor, ...args])) as [string, string[]];
    for (const key of found) keys.add(key);
    if (next === '0') return [...keys].sort();
    cursor = next;
  }
  throw new Error(`the scan did not end within ${TURNS_MAX} turns`);
}

function marked(argument: unknown, mark: string): unknown {
  if (typeof argument === 'string') return argument.replace(/^k:/, mark);
  if (Array.isArray(argument)) return argument.map((one) => marked(one, mark));
  if (argument instanceof Map)
    return new Map([...argument].map((pair) => marked(pair, mark) as [string, string]));
  if (typeof argument !== 'object' || argument === null || Buffer.isBuffer(argument)) return argument;
  return Object.fromEntries(Object.entries(argument).map((pair) => marked(pair, mark) as [string, string]));
}

function unmarked(given: unknown, mark: string): unknown {
  if (typeof given === 'string' && given.startsWith(mark)) return `k:${given.slice(mark.length)}`;
  return Array.isArray(given) ? given.map((one) => unmarked(one, mark)) : given;
}

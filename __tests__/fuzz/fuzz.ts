import { getHeapStatistics } from 'node:v8';
import { expect, jest } from '@jest/globals';
import fc from 'fast-check';
import { CatenaError, type ErrorCode } from '../../src/base/errors.ts';

/** How many times the usual number of runs; `CATENA_FUZZ_RUNS=20` for a long search. */
const RUNS_FACTOR = Number(process.env.CATENA_FUZZ_RUNS ?? 1);
/** The seed of every property; a new one for each when it isn't given. */
const SEED = process.env.CATENA_FUZZ_SEED;
/** What is told of a failure; some inputs are large. */
const REPORT_CHARACTERS_MAX = 5000;
/** What takes longer hangs, however slow the machine is: the targets take milliseconds. */
export const HANG_MS = 30_000;
/** What a target may leave on the heap for one small input, in bytes: two orders above what any of them does. */
const HEAP_BYTES_MAX = 64 * 1024 * 1024;

jest.setTimeout(120_000 * Math.max(1, RUNS_FACTOR));

interface FuzzOptions {
  /** At `CATENA_FUZZ_RUNS=1`. */
  readonly runs: number;
  /** The failure is wanted: there is no need to make it small. */
  readonly wanted?: boolean;
}

/** Checks a property with so many runs, and says how to repeat a failure. */
export function fuzz<T>(property: fc.IProperty<T>, options: FuzzOptions): void {
  report(fc.check(property, parameters(options)));
}

/** As `fuzz`, for what takes more than one turn. */
export async function fuzzAsync<T>(property: fc.IAsyncProperty<T>, options: FuzzOptions): Promise<void> {
  report(await fc.check(property, parameters(options)));
}

function parameters({ runs, wanted = false }: FuzzOptions) {
  const seed = SEED === undefined ? {} : { seed: Number(SEED) };
  return { numRuns: Math.ceil(runs * RUNS_FACTOR), endOnFailure: wanted, ...seed };
}

function report<T>(details: fc.RunDetails<T>): void {
  if (!details.failed) return;
  const { testPath = '' } = expect.getState();
  const file = testPath.slice(testPath.lastIndexOf('__tests__'));
  const again = `CATENA_FUZZ_SEED=${details.seed} CATENA_FUZZ_RUNS=${RUNS_FACTOR} npm run -s jest -- ${file}`;
  const { errorInstance: cause } = details;
  const why =
    cause instanceof Error ? `${cause.name}: ${cause.message}\n${cause.cause ?? ''}` : String(cause);
  throw new Error(
    `to run it again: ${again}\n${why}\n${(fc.defaultReportMessage(details) ?? '').slice(0, REPORT_CHARACTERS_MAX)}`,
    { cause },
  );
}

/**
 * Calls a target that says no by throwing `CatenaError`s of these codes alone.
 *
 * @returns what it gave, or `null` when it said no. Anything else that it throws is the failure.
 */
export function refusedOr<T>(codes: readonly ErrorCode[], work: () => T): { readonly value: T } | null {
  const startedMs = performance.now();
  try {
    return { value: work() };
  } catch (error) {
    if (!(error instanceof CatenaError) || !codes.includes(error.code)) throw error;
    return null;
  } finally {
    expect(performance.now() - startedMs).toBeLessThan(HANG_MS);
  }
}

/** As `refusedOr`, for what takes more than one turn. */
export async function refusedOrAsync<T>(
  codes: readonly ErrorCode[],
  work: () => Promise<T>,
): Promise<{ readonly value: T } | null> {
  let cancel: NodeJS.Timeout | undefined;
  const hung = new Promise<never>((_resolve, reject) => {
    cancel = setTimeout(() => reject(new Error(`it hangs: no end within ${HANG_MS} ms`)), HANG_MS);
  });
  try {
    return { value: await Promise.race([work(), hung]) };
  } catch (error) {
    if (!(error instanceof CatenaError) || !codes.includes(error.code)) throw error;
    return null;
  } finally {
    clearTimeout(cancel);
  }
}

type Alloc = 'alloc' | 'allocUnsafe' | 'allocUnsafeSlow';
const allocs: readonly Alloc[] = ['alloc', 'allocUnsafe', 'allocUnsafeSlow'];

/** Fails when the work asks for more room in buffers than `bytesMax`, or leaves far more on the heap than its input is worth. */
export function withinMemory<T>(bytesMax: number, work: () => T): T {
  const check = countMemory(bytesMax);
  try {
    return work();
  } finally {
    check();
  }
}

/** As `withinMemory`, for what takes more than one turn: the only such work at its time. */
export async function withinMemoryAsync<T>(bytesMax: number, work: () => Promise<T>): Promise<T> {
  const check = countMemory(bytesMax);
  try {
    return await work();
  } finally {
    check();
  }
}

/** Counts from now on, until what it gives is called. */
function countMemory(bytesMax: number): () => void {
  let bytes = 0;
  // By hand: a spy of jest's is remembered for ever, and there are many runs.
  const originals = allocs.map((name) => Buffer[name]);
  for (const [place, name] of allocs.entries()) {
    const original = originals[place] ?? Buffer.alloc;
    Buffer[name] = (size: number, ...more: []) => {
      bytes += size;
      // What it asks for is counted, and not made if it is absurd.
      return original.call(Buffer, Math.min(size, 2 * bytesMax), ...more);
    };
  }
  const heapBefore = getHeapStatistics().used_heap_size;
  return () => {
    for (const [place, name] of allocs.entries()) Buffer[name] = originals[place] ?? Buffer.alloc;
    expect(bytes).toBeLessThanOrEqual(bytesMax);
    expect(getHeapStatistics().used_heap_size - heapBefore).toBeLessThan(HEAP_BYTES_MAX);
  };
}

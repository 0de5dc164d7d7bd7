import { unreachable } from '../base/assert.ts';
import { checkBy, checkKey, checkTtl, checkVersion, conditionOf } from './arguments.ts';
import type { Answer, BatchOperation, BatchResult, Caller } from './caller.ts';
import { CatenaError, InvalidRequest, Replayed } from './errors.ts';
import { jsonOf, refusalOf } from './problem.ts';
import type { Batch, CallOptions, Value, Version, Written } from './types.ts';
import { decodeValue, encodeValue } from './values.ts';

/** Most operations in a batch, as the server has it. */
const BATCH_OPERATIONS_MAX = 1000;

/**
 * A batch without operations yet. Values are taken as they are when they are added: what is changed afterwards is not sent. What can't be
 * asked for is refused (`InvalidRequest`) when it is added.
 */
export function newBatch(caller: Caller): Batch<[]> {
  return new Building<[]>(caller, []);
}

class Building<Results extends readonly unknown[]> implements Batch<Results> {
  readonly #caller: Caller;
  readonly #operations: readonly BatchOperation[];

  constructor(caller: Caller, operations: readonly BatchOperation[]) {
    this.#caller = caller;
    this.#operations = operations;
  }

  get(key: string): Batch<[...Results, Value | undefined]> {
    return this.#with({ op: 'get', key });
  }

  set(
    key: string,
    value: Value,
    { ttl, contentType, ...asked }: Parameters<Batch<Results>['set']>[2] = {},
  ): Batch<[...Results, Written]> {
    checkTtl(ttl);
    const condition = conditionOf(asked);
    return this.#with({
      op: 'set',
      key,
      ...encodeValue(value, contentType),
      ...(ttl === undefined ? {} : { ttl }),
      ...(typeof condition === 'number' ? { ifVersion: condition } : {}),
    });
  }

  delete(key: string, { ifVersion }: { readonly ifVersion?: Version } = {}): Batch<[...Results, boolean]> {
    checkVersion(ifVersion, 'ifVersion');
    return this.#with({ op: 'delete', key, ...(ifVersion === undefined ? {} : { ifVersion }) });
  }

  increment(key: string, by = 1): Batch<[...Results, number]> {
    checkBy(by);
    return this.#with({ op: 'increment', key, by });
  }

  expire(key: string, ttl: number | null): Batch<[...Results, undefined]> {
    checkTtl(ttl ?? undefined);
    return this.#with({ op: 'expire', key, ttl });
  }

  check(key: string, version: Version): Batch<[...Results, undefined]> {
    checkVersion(version ?? null, 'version');
    return this.#with({ op: 'check', key, version });
  }

  async commit(options: CallOptions = {}): Promise<Results> {
    const operations = this.#operations;
    if (operations.length > BATCH_OPERATIONS_MAX) throw tooMany(operations.length);
    const results = operations.length === 0 ? [] : await send(this.#caller, operations, options);
    // Each method that adds an operation adds the type of its result.
    return operations.map((operation, at) =>
      resultOf(operation, results[at]),
    ) as readonly unknown[] as Results;
  }

  #with<Result>(operation: BatchOperation): Batch<[...Results, Result]> {
    checkKey(operation.key);
    return new Building<[...Results, Result]>(this.#caller, [...this.#operations, operation]);
  }
}

async function send(
  caller: Caller,
  operations: readonly BatchOperation[],
  options: CallOptions,
): Promise<readonly BatchResult[]> {
  const answer = await caller.request(
    {
      intent: operations.some(isWrite) ? 'write' : 'read',
      method: 'POST',
      path: '/batch',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ operations }),
    },
    options,
  );
  if (answer.status !== 200) throw refusalOf(answer);
  const results = resultsIn(answer, operations.length);
  if (!results.some(({ replayed }) => replayed === true)) return results;
  throw new Replayed(
    'the batch took effect at an earlier try, whose answer was lost with what its gets had read; read the keys anew',
    { results },
  );
}

function isWrite({ op }: BatchOperation): boolean {
  return op !== 'get' && op !== 'check';
}

/** What an operation gives the caller, from what the server says of it. */
function resultOf({ op }: BatchOperation, result: BatchResult | undefined): unknown {
  switch (op) {
    case 'get':
      return gotValue(result);
    case 'set':
      return { version: result?.version, created: result?.created } satisfies Partial<
        Record<keyof Written, unknown>
      >;
    case 'delete':
      return result?.deleted;
    case 'increment':
      return result?.value;
    case 'expire':
    case 'check':
      return undefined;
    default:
      return unreachable(op);
  }
}

function gotValue({ value, encoding, contentType }: Partial<BatchResult> = {}): Value | undefined {
  if (typeof value !== 'string') return undefined;
  return decodeValue({ value, encoding: encoding ?? 'utf8', contentType: contentType ?? '' });
}

function resultsIn(answer: Answer, count: number): readonly BatchResult[] {
  const said = jsonOf(answer);
  const results = typeof said === 'object' && said !== null && 'results' in said ? said.results : null;
  if (Array.isArray(results) && results.length === count) return results;
  throw new CatenaError(
    'BAD_ANSWER',
    `POST /batch of ${count} operations was not answered with their results: is it catena that listens there?`,
  );
}

function tooMany(count: number): InvalidRequest {
  return new InvalidRequest(
    'BAD_PARAMETER',
    `the batch has ${count} operations and may have ${BATCH_OPERATIONS_MAX}: commit it in parts, each of which takes effect by itself`,
  );
}

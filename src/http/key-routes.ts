import { defined } from '../base/assert.ts';
import { type Command, isWrite, type Operation, type Outcome, operationsOf } from '../protocol/command.ts';
import type { Limits } from '../protocol/topology.ts';
import type { NodeService } from '../runtime/node-service.ts';
import { answerOf, answerValue, batchResults, replayHeaders, resultsOf } from './answers.ts';
import { parseBatch } from './batch.ts';
import type { Dispatch, WriteRequest } from './dispatch.ts';
import type { Exchange } from './exchange.ts';
import type { Exports } from './export.ts';
import type { Route } from './http-server.ts';
import { answerPage, pageQueryOf, prefixOf } from './keys.ts';
import { routeTo } from './operations.ts';
import { readable } from './pages.ts';
import { BY, TTL } from './parameters.ts';
import { Refusal } from './problem.ts';
import { conditionOf, keyOf, refuseConditions, requestIdOf } from './request.ts';
import { checkContentType, valueFrom } from './value-format.ts';

/** What the values that a batch reads may weigh together, in bytes: a node that writes an answer out does nothing else meanwhile. */
const BATCH_VALUES_BYTES_MAX = 16_777_216;

/** What the routes of a node that speak of keys are made of. */
export interface KeyRouteParts {
  readonly service: NodeService;
  readonly dispatch: Dispatch;
  readonly exports: Exports;
}

/** The routes that read and write keys, as INTERFACE.md has them. */
export function keyRoutes(parts: KeyRouteParts): readonly Route[] {
  const routes = new KeyRoutes(parts);
  const get = routes.get.bind(routes);
  const set = routes.set.bind(routes);
  return [
    routeTo('/get/{key}', { GET: get, HEAD: get }),
    routeTo('/set/{key}', { PUT: set, POST: set }),
    routeTo('/delete/{key}', { DELETE: routes.delete.bind(routes) }),
    routeTo('/increment/{key}', { POST: routes.increment.bind(routes) }),
    routeTo('/expire/{key}', { POST: routes.expire.bind(routes) }),
    routeTo('/keys', readable(routes.keys.bind(routes))),
    routeTo('/export', { GET: routes.export.bind(routes) }),
    routeTo('/batch', { POST: routes.batch.bind(routes) }),
  ];
}

/** @throws Refusal BATCH_TOO_LARGE when the values that a batch reads are more than it may have. */
function refuseLarge(outcome: Outcome): void {
  if (outcome.kind !== 'done') return;
  let bytes = 0;
  for (const result of outcome.results) {
    if (result.kind === 'got') bytes += result.record?.value.bytes.length ?? 0;
  }
  if (bytes <= BATCH_VALUES_BYTES_MAX) return;
  throw new Refusal(
    'BATCH_TOO_LARGE',
    `the values that it reads have ${bytes} bytes together, and may have ${BATCH_VALUES_BYTES_MAX}; ask for fewer keys at a time`,
    { members: { limit: BATCH_VALUES_BYTES_MAX } },
  );
}

class KeyRoutes {
  readonly #service: NodeService;
  readonly #dispatch: Dispatch;
  readonly #exports: Exports;

  constructor(parts: KeyRouteParts) {
    this.#service = parts.service;
    this.#dispatch = parts.dispatch;
    this.#exports = parts.exports;
  }

  get(exchange: Exchange): Promise<void> {
    const key = this.#key(exchange);
    const here = (): void => {
      const record = this.#service.get(key);
      answerValue(exchange, { key, record, logTimeMs: this.#service.logTimeMs() });
    };
    return this.#dispatch.read(exchange, here, { keys: [key] });
  }

  set(exchange: Exchange): Promise<void> {
    const key = this.#key(exchange);
    const condition = conditionOf(exchange.request.headers);
    const ttlMs = TTL.read(exchange.query);
    const contentType = checkContentType(exchange.header('content-type') ?? '');
    const { valueBytes } = this.#limits();
    return this.#write(exchange, {
      body: () => exchange.body({ bytesMax: valueBytes, name: 'limits.valueBytes', code: 'VALUE_TOO_LARGE' }),
      operation: (body) => ({
        op: 'set',
        key,
        value: valueFrom(body ?? Buffer.alloc(0), contentType),
        ttlMs,
        condition,
      }),
    });
  }

  delete(exchange: Exchange): Promise<void> {
    const key = this.#key(exchange);
    const condition = conditionOf(exchange.request.headers);
    return this.#writeBodyless(exchange, { op: 'delete', key, condition });
  }

  increment(exchange: Exchange): Promise<void> {
    const key = this.#key(exchange);
    refuseConditions(exchange.request.headers, '/increment');
    return this.#writeBodyless(exchange, { op: 'increment', key, by: BY.read(exchange.query) });
  }

  expire(exchange: Exchange): Promise<void> {
    const key = this.#key(exchange);
    refuseConditions(exchange.request.headers, '/expire');
    return this.#writeBodyless(exchange, { op: 'expire', key, ttlMs: TTL.read(exchange.query) });
  }

  keys(exchange: Exchange): Promise<void> {
    const query = pageQueryOf(exchange, this.#limits().keyBytes);
    const here = (): void => {
      const { values } = query;
      answerPage(exchange, this.#service.page(query), { values, logTimeMs: this.#service.logTimeMs() });
    };
    return this.#dispatch.read(exchange, here, { keys: null });
  }

  export(exchange: Exchange): Promise<void> {
    const prefix = prefixOf(exchange, this.#limits().keyBytes);
    return this.#dispatch.read(exchange, () => this.#exports.answer(exchange, this.#service, prefix), {
      keys: null,
      streamed: true,
    });
  }

  /** Only the body says whether it reads or writes, so that is read before the way is known. */
  async batch(exchange: Exchange): Promise<void> {
    refuseConditions(exchange.request.headers, '/batch');
    const requestId = requestIdOf(exchange.request.headers, exchange.query);
    const limits = this.#limits();
    const body = await exchange.body({
      bytesMax: limits.batchBytes,
      name: 'limits.batchBytes',
      code: 'BATCH_TOO_LARGE',
    });
    const { atomic, operations } = parseBatch(body, limits);
    const command: Command = { kind: 'batch', atomic, operations };
    const answer: WriteRequest['answer'] = ({ outcome, replayed }) => {
      const done = resultsOf(outcome, { command, requestId, replayed });
      const results = batchResults(operations, done, this.#service.logTimeMs());
      exchange.json(200, { results }, replayHeaders(replayed));
    };
    if (!operations.some(isWrite)) {
      const here = (): void => {
        const outcome = this.#service.readBatch(operations, { atomic });
        refuseLarge(outcome);
        answer({ outcome, replayed: false }, command);
      };
      const keys = operations.map(({ key }) => key);
      return await this.#dispatch.read(exchange, here, { keys, body });
    }
    const read = (): Promise<Buffer> => Promise.resolve(body);
    await this.#dispatch.write(exchange, { requestId, body: read, command: () => command, answer });
  }

  #writeBodyless(exchange: Exchange, operation: Operation): Promise<void> {
    return this.#write(exchange, { body: () => Promise.resolve(null), operation: () => operation });
  }

  #write(
    exchange: Exchange,
    { body, operation }: { body: WriteRequest['body']; operation: (body: Buffer | null) => Operation },
  ): Promise<void> {
    const requestId = requestIdOf(exchange.request.headers, exchange.query);
    return this.#dispatch.write(exchange, {
      requestId,
      body,
      command: (bytes) => ({ kind: 'single', operation: operation(bytes) }),
      answer: ({ outcome, replayed }, command) => {
        const { results, seq } = resultsOf(outcome, { command, requestId, replayed });
        const [asked] = operationsOf(command);
        const answer = answerOf(
          defined(asked, () => 'the operation of a single command'),
          defined(results[0], () => 'the result of a single command'),
          { seq, logTimeMs: this.#service.logTimeMs() },
        );
        exchange.json(answer.status, answer.body, { ...answer.headers, ...replayHeaders(replayed) });
      },
    });
  }

  #key(exchange: Exchange): string {
    return keyOf(exchange.target.rawKey, this.#limits().keyBytes);
  }

  #limits(): Limits {
    return this.#service.topology().topology.limits;
  }
}

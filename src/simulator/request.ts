import { assert, unreachable } from '../base/assert.ts';
import type { ErrorCode } from '../base/errors.ts';
import type { Epoch, NodeId, RequestId } from '../base/ids.ts';
import type { Cancel } from '../ports/clock.ts';
import { type Command, isWrite, type OperationResult, type Outcome } from '../protocol/command.ts';
import type { WriteReply } from '../replica/events.ts';
import type { NodeService, Route } from '../runtime/node-service.ts';
import type { Asked, Told, ToldRecord, ToldResult } from './history.ts';

/** The way to the nodes. */
export interface Doors {
  /**
   * Brings a request to a node's process, which sees it when it has a turn. `refused`: nobody listens there. `lost`: the
   * process died while it dealt with the request. Nothing is called when the machine has no power, or loses it before.
   */
  visit(node: string, visitor: Visitor): void;
}

/** What a request meets at a node: one of these, or `lost` after `arrived`. */
export interface Visitor {
  arrived(service: NodeService): void;
  refused(): void;
  lost(): void;
}

/** What a client sends to a node. */
export interface Request {
  readonly asked: Asked;
  /** `null`: the head is to make one. Means nothing for a read. */
  readonly requestId: RequestId | null;
  /** What the redirect that led here said; 0 without one. */
  readonly minEpoch: Epoch;
}

/** What a node answers. A `requestId` says that the write may have had an effect, and goes on under that id. */
export type Reply =
  | { readonly kind: 'told'; readonly told: Told }
  /** Nothing was done now: the id is that of another command, or too old to tell whether it was done before. */
  | { readonly kind: 'rejected'; readonly code: Extract<Outcome, { kind: 'rejected' }>['code'] }
  | {
      readonly kind: 'elsewhere';
      readonly node: NodeId;
      readonly epoch: Epoch;
      readonly requestId: RequestId | null;
    }
  | { readonly kind: 'unavailable'; readonly code: ErrorCode; readonly requestId: RequestId | null };

/** Whether a request can change anything. */
export function changes(asked: Asked): boolean {
  return asked.kind === 'operations' && asked.operations.some(isWrite);
}

/** What becomes of a request at a node. */
export interface Asker {
  /** Called once. */
  reply(reply: Reply): void;
  /** The node threw this in a later turn: a fault of its code. */
  failed(error: unknown): void;
}

/**
 * Has a node deal with a request as `http` does, without the HTTP: a read is answered in the turn in which the node says that
 * it may, a write is taken, or either is sent on.
 *
 * @returns forgets the request, whatever the node still says: its process is dead.
 */
export function askNode(service: NodeService, request: Request, asker: Asker): Cancel {
  const visit = new Visit(service, request, asker);
  visit.begin();
  return () => visit.end();
}

/** A request at a node. */
class Visit {
  readonly #service: NodeService;
  readonly #request: Request;
  readonly #asker: Asker;
  #ended = false;
  #requestId: RequestId | null;
  /** This node took the write and lost its place with it. */
  #uncertain = false;

  constructor(service: NodeService, request: Request, asker: Asker) {
    this.#service = service;
    this.#request = request;
    this.#requestId = request.requestId;
    this.#asker = asker;
  }

  end(): void {
    this.#ended = true;
  }

  begin(): void {
    const { asked, minEpoch } = this.#request;
    const intent = changes(asked) ? 'write' : 'read';
    const keys = intent === 'write' || asked.kind === 'page' ? null : asked.operations.map(({ key }) => key);
    const route = this.#service.routeNow(intent, minEpoch, keys);
    if (route !== null) this.#go(route);
    else this.#later(this.#service.route(intent, minEpoch, keys), (found) => this.#go(found));
  }

  #go(route: Route): void {
    switch (route.kind) {
      case 'here':
        if (changes(this.#request.asked)) this.#write();
        else this.#asker.reply({ kind: 'told', told: read(this.#service, this.#request.asked) });
        return;
      case 'elsewhere':
        this.#asker.reply({ ...route, requestId: this.#idIfUncertain() });
        return;
      case 'unavailable':
        this.#unavailable(route.code);
        return;
      default:
        unreachable(route);
    }
  }

  #write(): void {
    const written = this.#service.write(commandOf(this.#request.asked), this.#requestId);
    this.#later(written, (reply) => this.#written(reply));
  }

  #written(reply: WriteReply): void {
    switch (reply.kind) {
      case 'applied':
        this.#asker.reply(replyOf(reply.outcome));
        return;
      case 'refused':
        this.#unavailable(reply.code);
        return;
      case 'unknown':
        this.#asker.reply({ kind: 'unavailable', code: 'OUTCOME_UNKNOWN', requestId: reply.requestId });
        return;
      case 'moved':
        this.#moved(reply);
        return;
      default:
        unreachable(reply);
    }
  }

  #moved({ to, epoch, requestId }: Extract<WriteReply, { kind: 'moved' }>): void {
    if (requestId !== null) {
      this.#requestId = requestId;
      this.#uncertain = true;
    }
    // A configuration is being taken up: once it is, it is known where to go.
    if (to === null) this.begin();
    else this.#asker.reply({ kind: 'elsewhere', node: to, epoch, requestId: this.#idIfUncertain() });
  }

  #unavailable(code: ErrorCode): void {
    const requestId = this.#idIfUncertain();
    this.#asker.reply({
      kind: 'unavailable',
      code: requestId === null ? code : 'OUTCOME_UNKNOWN',
      requestId,
    });
  }

  #idIfUncertain(): RequestId | null {
    return this.#uncertain ? this.#requestId : null;
  }

  #later<T>(promise: Promise<T>, then: (value: T) => void): void {
    void promise
      .then((value) => {
        if (!this.#ended) then(value);
      })
      .catch((error: unknown) => {
        if (!this.#ended) this.#asker.failed(error);
      });
  }
}

/** An atomic batch of one is as good as a single operation. */
function commandOf(asked: Asked): Command {
  assert(asked.kind === 'operations', () => 'a page that writes');
  const { atomic, operations } = asked;
  const [operation] = operations;
  const isSingle = atomic && operations.length === 1;
  return isSingle && operation !== undefined
    ? { kind: 'single', operation }
    : { kind: 'batch', atomic, operations };
}

function read(service: NodeService, asked: Asked): Told {
  if (asked.kind === 'page') {
    const { keys, next } = service.page(asked);
    return { kind: 'page', keys: keys.map(({ key, record }) => ({ key, version: record.version })), next };
  }
  const { atomic, operations } = asked;
  const [operation] = operations;
  if (operations.length === 1 && operation?.op === 'get') {
    const record = service.get(operation.key);
    return { kind: 'done', version: null, results: [toldOf({ kind: 'got', record: record ?? null })] };
  }
  const reply = replyOf(service.readBatch(operations, { atomic }));
  assert(reply.kind === 'told', () => `a read was answered with ${reply.kind}`);
  // Of what was read it is the store's seq, which no answer shows.
  return reply.told.kind === 'done' ? { ...reply.told, version: null } : reply.told;
}

function replyOf(outcome: Outcome): Reply {
  switch (outcome.kind) {
    case 'done': {
      const told: Told = { kind: 'done', version: outcome.seq, results: outcome.results.map(toldOf) };
      return { kind: 'told', told };
    }
    case 'refused': {
      const { index, failure } = outcome;
      return { kind: 'told', told: { kind: 'refused', index, code: failure.code, version: failure.version } };
    }
    case 'rejected':
      return outcome;
    default:
      return unreachable(outcome);
  }
}

function toldOf(result: OperationResult): ToldResult {
  if (result.kind !== 'got') return result;
  const { record } = result;
  if (record === null || record === undefined) return { kind: 'got', record };
  const { value, version } = record;
  const shown: ToldRecord = { bytes: value.bytes, contentType: value.contentType, version };
  return { kind: 'got', record: shown };
}

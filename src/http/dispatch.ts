import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Epoch, epoch, type NodeId, type RequestId } from '../base/ids.ts';
import type { Clock } from '../ports/clock.ts';
import type { Command, Outcome } from '../protocol/command.ts';
import type { Intent, NodeService, Route } from '../runtime/node-service.ts';
import { CallerGone } from './body.ts';
import type { Exchange } from './exchange.ts';
import {
  FORWARDED_HEADER,
  type Forwarded,
  type ForwardedAnswer,
  type Forwarder,
  MOVED,
  type Onward,
  WRONG_NODE,
} from './forward.ts';
import type { NodeIdentity } from './identity.ts';
import { EPOCH, FORWARD } from './parameters.ts';
import { Refusal } from './problem.ts';
import { addressBetweenNodes, pathFor, redirect } from './redirect.ts';

/** How long a forwarding node goes on trying when targets change or fail, in ms. */
const FORWARD_MS: Readonly<Record<Intent, number>> = { read: 1000, write: 5000, watch: 1000 };
/** How long it waits before it tries again, in ms. */
const RETRY_MS = 50;
/** How often it looks whether the target of a try is still the one to answer, in ms. */
const LOOK_MS = 50;
/** How long the answer to a try may take to begin, in ms: a target that can answer does so within 1 s or 5 s; one that is cut off says nothing. */
const TRY_MS: Readonly<Record<Intent, number>> = { read: 2000, write: 6000, watch: 3000 };

type Elsewhere = Extract<Route, { kind: 'elsewhere' }>;
type WriteReply = Awaited<ReturnType<NodeService['write']>>;
type Applied = Extract<WriteReply, { kind: 'applied' }>;

/** A write, once its parameters are known to be good. */
export interface WriteRequest {
  readonly requestId: RequestId | null;
  /** Reads the body that belongs to it, `null` if none does; called once, when this node knows what to do with it. */
  body(): Promise<Buffer | null>;
  /** Makes the command of what `body` gave. May throw a `Refusal`. */
  command(body: Buffer | null): Command;
  answer(applied: { readonly outcome: Outcome; readonly replayed: boolean }, command: Command): void;
}

/** Brings a request to the node that answers it: this one, or another by redirect, or by forwarding when asked to. */
export class Dispatch {
  readonly #service: NodeService;
  readonly #clock: Clock;
  readonly #identity: NodeIdentity;
  readonly #forwarder: Forwarder;

  constructor(parts: {
    service: NodeService;
    clock: Clock;
    identity: NodeIdentity;
    forwarder: Forwarder;
  }) {
    this.#service = parts.service;
    this.#clock = parts.clock;
    this.#identity = parts.identity;
    this.#forwarder = parts.forwarder;
  }

  /**
   * Calls `here` in the turn in which this node may answer a read, or sends the request on. `keys` are those that it is to
   * show, `null` for more than can be listed. `body` is what was read of it. With `streamed` a forwarded answer is handed back
   * as it comes.
   */
  async read(
    exchange: Exchange,
    here: () => void | Promise<void>,
    {
      keys,
      body = null,
      streamed = false,
      intent = 'read',
    }: {
      keys: readonly string[] | null;
      body?: Buffer | null;
      streamed?: boolean;
      intent?: 'read' | 'watch';
    },
  ): Promise<void> {
    const attempt = new Attempt(exchange, intent, this.#clock);
    for (;;) {
      const route =
        this.#service.routeNow(intent, attempt.minEpoch, keys) ??
        (await this.#service.route(intent, attempt.minEpoch, keys));
      if (route.kind === 'here') return await here();
      const destination = this.#elsewhere(attempt, route);
      if (!attempt.forwards) return this.#redirect(attempt, destination);
      const onward = this.#onward(attempt, destination, body);
      const opened = await this.#patiently(attempt, destination, (signal) =>
        this.#forwarder.open(exchange, onward, { signal, lasts: intent === 'watch' }),
      );
      const sent = streamed ? opened : await this.#forwarder.whole(opened);
      if (sent.kind === 'answered') return await handBack(exchange, sent, { lasts: intent === 'watch' });
      await attempt.again(sent, destination.node);
    }
  }

  /** Carries a write out here, or sends it on. */
  async write(exchange: Exchange, write: WriteRequest): Promise<void> {
    const attempt = new Attempt(exchange, 'write', this.#clock);
    attempt.requestId = write.requestId;
    let body: Buffer | null = null;
    let bodyRead = false;
    for (;;) {
      const route =
        this.#service.routeNow('write', attempt.minEpoch, null) ??
        (await this.#service.route('write', attempt.minEpoch, null));
      const destination = route.kind === 'here' ? null : this.#elsewhere(attempt, route);
      if (destination !== null && !attempt.forwards) return this.#redirect(attempt, destination);
      if (!bodyRead) body = await write.body();
      bodyRead = true;
      if (destination === null) {
        const command = write.command(body);
        const reply = await this.#service.write(command, attempt.requestId, attempt.startedMs);
        if (reply.kind === 'applied') return write.answer(reply, command);
        if (await this.#endsAt(attempt, reply)) return;
      } else if (await this.#forwardWrite(attempt, destination, body)) return;
    }
  }

  /** Answers for every reply but `applied`; `false` asks for another try. */
  async #endsAt(attempt: Attempt, reply: Exclude<WriteReply, Applied>): Promise<boolean> {
    switch (reply.kind) {
      case 'refused':
        throw attempt.refusal(refusedWrite(reply.code));
      case 'unknown':
        attempt.uncertain = true;
        attempt.requestId = reply.requestId;
        throw attempt.refusal(null);
      case 'moved':
        return await this.#moved(attempt, reply);
    }
  }

  /** This node lost its place while it held the write, which goes on under its id where the head is now. */
  async #moved(attempt: Attempt, reply: Extract<WriteReply, { kind: 'moved' }>): Promise<boolean> {
    if (reply.requestId !== null) {
      attempt.requestId = reply.requestId;
      attempt.uncertain = true;
    }
    if (attempt.forwards) {
      await attempt.again(
        { kind: 'wrong-node', epoch: reply.epoch, moved: attempt.uncertain },
        reply.to ?? this.#service.node,
      );
      return false;
    }
    if (attempt.forwardedHere) throw attempt.wrongNode();
    // A configuration is being taken up: once it is, it is known where to go.
    if (reply.to === null) return false;
    this.#redirect(attempt, { kind: 'elsewhere', node: reply.to, epoch: reply.epoch });
    return true;
  }

  async #forwardWrite(attempt: Attempt, destination: Elsewhere, body: Buffer | null): Promise<boolean> {
    attempt.requestId ??= this.#forwarder.newRequestId();
    const onward = this.#onward(attempt, destination, body);
    const opened = await this.#patiently(attempt, destination, (signal) =>
      this.#forwarder.open(attempt.exchange, onward, { signal, lasts: false }),
    );
    const sent = await this.#forwarder.whole(opened);
    if (sent.kind === 'answered' && !(attempt.uncertain && sent.status >= 500)) {
      await handBack(attempt.exchange, sent);
      return true;
    }
    if ((sent.kind === 'failed' && sent.sent) || (sent.kind === 'wrong-node' && sent.moved)) {
      attempt.uncertain = true;
    }
    await attempt.again(sent, destination.node);
    return false;
  }

  /**
   * Gives a try up when its target is no longer the one to answer, or has had its time to begin: over a cable that was cut
   * nothing comes, not even that the connection is lost. An answer that has begun may take as long as it goes on.
   */
  async #patiently<Sent>(
    { intent, minEpoch }: Attempt,
    { node }: Elsewhere,
    send: (signal: AbortSignal) => Promise<Sent>,
  ): Promise<Sent> {
    const over = new AbortController();
    const untilMs = this.#clock.now().monotonicMs + TRY_MS[intent];
    const look = (): void => {
      const route = this.#service.routeNow(intent, minEpoch, null);
      if (route !== null && !(route.kind === 'elsewhere' && route.node === node)) {
        over.abort(new Error(`the chain has changed, and ${node} is not the one to answer any more`));
      } else if (this.#clock.now().monotonicMs > untilMs) {
        over.abort(new Error(`no answer within ${TRY_MS[intent]} ms`));
      } else cancel = this.#clock.after(LOOK_MS, look);
    };
    let cancel = this.#clock.after(LOOK_MS, look);
    try {
      return await send(over.signal);
    } finally {
      cancel();
    }
  }

  /** The destination, unless nobody can answer now, or the request was sent on once already. */
  #elsewhere(attempt: Attempt, route: Exclude<Route, { kind: 'here' }>): Elsewhere {
    if (route.kind === 'unavailable') {
      throw attempt.refusal(unavailable(route));
    }
    if (attempt.forwardedHere) throw attempt.wrongNode();
    return route;
  }

  #redirect(attempt: Attempt, { node, epoch: since }: Elsewhere): void {
    redirect(attempt.exchange, {
      destination: {
        node,
        epoch: this.#identity.unsettled() ? since : null,
        requestId: attempt.uncertain ? attempt.requestId : null,
      },
      from: this.#service.node,
      topology: this.#service.topology(),
    });
  }

  #onward(attempt: Attempt, { node, epoch: since }: Elsewhere, body: Buffer | null): Onward {
    const { exchange, requestId } = attempt;
    const given = exchange.header('idempotency-key') !== undefined;
    return {
      base: addressBetweenNodes(this.#service.topology(), node),
      path: pathFor(exchange, { node, epoch: since, requestId: given ? null : requestId }),
      body,
    };
  }
}

/** One request on its way to an answer, over as many tries as it takes. */
class Attempt {
  readonly exchange: Exchange;
  /** The caller wants this node to send the request on rather than redirect it. */
  readonly forwards: boolean;
  /** Another node sent the request here. */
  readonly forwardedHere: boolean;
  readonly intent: Intent;
  minEpoch: Epoch;
  requestId: RequestId | null = null;
  /** A try may have had an effect: until one is answered, nobody knows. */
  uncertain = false;
  /** By the monotonic clock. */
  readonly startedMs: number;
  readonly #clock: Clock;
  readonly #untilMs: number;

  constructor(exchange: Exchange, intent: Intent, clock: Clock) {
    this.exchange = exchange;
    this.intent = intent;
    this.minEpoch = epoch(EPOCH.read(exchange.query));
    this.forwardedHere = exchange.header(FORWARDED_HEADER.toLowerCase()) !== undefined;
    this.forwards = FORWARD.read(exchange.query) && !this.forwardedHere;
    this.#clock = clock;
    this.startedMs = clock.now().monotonicMs;
    this.#untilMs = this.startedMs + FORWARD_MS[intent];
  }

  /**
   * Waits before the next try, after one at `node`.
   *
   * @throws Refusal FORWARD_FAILED, OUTCOME_UNKNOWN when there is no time for another.
   */
  async again(sent: Forwarded<Buffer | Readable>, node: NodeId): Promise<void> {
    if (sent.kind === 'wrong-node' && sent.epoch > this.minEpoch) this.minEpoch = sent.epoch;
    if (this.#clock.now().monotonicMs + RETRY_MS > this.#untilMs) {
      const reason = sent.kind === 'failed' ? sent.reason : 'the chain is changing';
      throw this.refusal(
        new Refusal(
          'FORWARD_FAILED',
          `the request could not be sent on to ${node} (${withoutStop(reason)}); try again in a moment`,
          { members: { node } },
        ),
      );
    }
    await new Promise<void>((resolve) => this.#clock.after(RETRY_MS, resolve));
  }

  /** `refusal`, unless the write may have had an effect all the same: then that is said. */
  refusal(refusal: Refusal | null): Refusal {
    if (!this.uncertain && refusal !== null) return refusal;
    const { requestId } = this;
    return new Refusal(
      'OUTCOME_UNKNOWN',
      'the write may have taken effect, or may yet; send it again with Idempotency-Key set to requestId (or ?request-id=), and it takes effect once',
      { members: { requestId } },
    );
  }

  /** For a node that forwarded to this one, which is not the one to answer: it knows by the header. */
  wrongNode(): Refusal {
    const refusal = this.refusal(notReady('a request was forwarded to a node that does not answer it'));
    return new Refusal(refusal.code, refusal.message, {
      members: refusal.members,
      headers: { [FORWARDED_HEADER]: this.uncertain ? MOVED : WRONG_NODE },
    });
  }
}

function notReady(reason: string): Refusal {
  return new Refusal('NOT_READY', `${withoutStop(reason)}; try again in a moment`);
}

function unavailable({ code, reason }: Extract<Route, { kind: 'unavailable' }>): Refusal {
  if (code !== 'BROKEN') return new Refusal(code, `${withoutStop(reason)}; try again in a moment`);
  // The reason ends with what people have to mend, which is no advice to the caller.
  return new Refusal(
    code,
    `this node is broken (${withoutStop(reason)}): try another node, or this one when that is mended`,
  );
}

/** A reason as a part of a longer sentence. */
function withoutStop(reason: string): string {
  return reason.replace(/[.\s]+$/, '');
}

function refusedWrite(code: Extract<WriteReply, { kind: 'refused' }>['code']): Refusal {
  switch (code) {
    case 'STORE_FULL':
      return new Refusal(
        code,
        'this attempt had no effect: the store holds all it may (limits.storeBytes); delete keys, or raise the limit',
      );
    case 'READ_ONLY':
      return new Refusal(
        code,
        'this attempt had no effect: the disk of the head takes no more data, see its /status; reads go on, and writes do when another node has taken its place',
      );
    case 'OVERLOADED':
      return new Refusal(
        code,
        'this attempt had no effect: more writes are under way than the chain takes (limits.inFlightBytes); try again in a moment',
      );
    case 'NOT_READY':
      return notReady('this attempt had no effect: the chain takes no writes now');
    case 'BROKEN':
      return new Refusal(
        code,
        'this attempt had no effect: this node is broken, see its /status; try another node, or this one when it is mended',
      );
  }
}

/** Gives the caller what the target answered, as if it had been asked itself. */
async function handBack(
  exchange: Exchange,
  { status, headers, body }: ForwardedAnswer<Buffer | Readable>,
  { lasts } = { lasts: false },
): Promise<void> {
  if (Buffer.isBuffer(body)) {
    const bodyless = exchange.request.method === 'HEAD' || status === 304;
    exchange.answer(status, headers, bodyless ? null : body);
    return;
  }
  exchange.begin(status, headers);
  try {
    await pipeline(body, exchange.response);
  } catch (error) {
    if (body.errored === null) throw new CallerGone('the caller closed the connection');
    // Nothing went wrong: it has no other end.
    if (lasts) throw new CallerGone('the node that was watched has ended it');
    throw error;
  }
}

import { type Epoch, requestId } from '../../src/base/ids.ts';
import type { Command, Operation } from '../../src/protocol/command.ts';
import type { WriteReply } from '../../src/replica/events.ts';
import { Store } from '../../src/replica/store.ts';
import type { Intent, NodeService, Route } from '../../src/runtime/node-service.ts';
import type { ClientHost } from '../../src/simulator/client.ts';
import type { Visitor } from '../../src/simulator/request.ts';
import type { Scheduler } from '../../src/simulator/scheduler.ts';
import { EntrySequence } from './builders.ts';
import { FakeNodeService, fakeConfiguration, fakeTopology } from './fake-node-service.ts';

const NODES = ['n1', 'n2', 'n3'];
const TOPOLOGY = fakeTopology({ n1: 1, n2: 2, n3: 3 });
const EVENTS_MAX = 200_000;

/** What a chain of correct nodes holds together. */
class Shared {
  readonly store = new Store();
  readonly #entries = new EntrySequence();
  /** Then every retry is a write of its own. */
  forgetsIds = false;

  write(command: Command, id: string | null) {
    const kept = id === null || this.forgetsIds ? null : requestId(id);
    const entry = this.#entries.next(command, { requestId: kept });
    return this.store.apply(entry);
  }
}

/** A node of a correct chain, head n1 and tail n3: it writes and reads at once. */
class CorrectNode extends FakeNodeService {
  readonly #shared: Shared;
  readonly minEpochs: Epoch[] = [];
  /** It does what it is asked, and never answers. */
  mute = false;

  constructor(name: string, shared: Shared) {
    super(name, { topology: TOPOLOGY, configuration: fakeConfiguration(NODES) });
    this.#shared = shared;
  }

  override routeNow(intent: Intent, minEpoch: Epoch, keys: readonly string[] | null): Route | null {
    this.minEpochs.push(minEpoch);
    return super.routeNow(intent, minEpoch, keys);
  }
  override write(command: Command, id: string | null): Promise<WriteReply> {
    this.writes.push({ command, requestId: id });
    const reply = this.replies.shift();
    if (reply !== undefined) return Promise.resolve(reply);
    const applied = this.#shared.write(command, id);
    if (this.mute) return new Promise(() => {});
    return Promise.resolve({ kind: 'applied', ...applied, requestId: requestId(id ?? 'of-the-head') });
  }
  override get(key: string) {
    return this.#shared.store.get(key);
  }
  override page(query: { prefix: string; after: string | null; limit: number }) {
    return this.#shared.store.page(query);
  }
  override readBatch(operations: readonly Operation[], options: { atomic: boolean }) {
    return this.#shared.store.readBatch(operations, options);
  }
}

/** What becomes of a visit. `mute`: carried out and never answered; `lost`: and then the process dies. */
export type Fate = 'served' | 'refused' | 'unheard' | 'mute' | 'lost';

/** Correct nodes n1 (head) to n3 (tail) behind doors that a test may shut. */
export class CorrectChain implements ClientHost {
  readonly shared = new Shared();
  readonly services = NODES.map((name) => new CorrectNode(name, this.shared));
  readonly visited: string[] = [];
  /** Of the visits in order; those behind it are served. */
  fates: Fate[] = [];

  get head(): CorrectNode {
    return this.service('n1');
  }
  service(name: string): CorrectNode {
    const found = this.services.find(({ node }) => node === name);
    if (found === undefined) throw new Error(`no node ${name}`);
    return found;
  }
  nodes(): readonly string[] {
    return NODES;
  }
  visit(node: string, visitor: Visitor): void {
    this.visited.push(node);
    const fate = this.fates.shift() ?? 'served';
    if (fate === 'unheard') return;
    if (fate === 'refused') return visitor.refused();
    const service = this.service(node);
    service.mute = fate !== 'served';
    visitor.arrived(service as NodeService);
    service.mute = false;
    if (fate === 'lost') visitor.lost();
  }
}

/** Each event with all that it promises, then the next. */
export async function play(scheduler: Scheduler, untilMs: number): Promise<void> {
  for (let events = 0; (scheduler.nextMs() ?? Infinity) < untilMs; events++) {
    if (events > EVENTS_MAX) throw new Error('the world does not come to rest');
    scheduler.step();
    await new Promise(setImmediate);
  }
}

import { NO_EPOCH } from '../base/ids.ts';
import type { StoredRecord } from '../protocol/command.ts';
import { tailOf } from '../protocol/configuration.ts';
import type { SimClient } from './client.ts';
import type { Faults } from './faults.ts';
import type { Call } from './history.ts';
import { COORDINATOR } from './plan.ts';
import type { World } from './world.ts';

/** How often it is looked at, in ms of the world. */
const LOOK_MS = 20;
/** Somebody looks after nodes that ask for help every so often. */
const OPERATOR_MS = 4000;
/** Beyond this without coming to rest, invariant 6 is broken. */
const SETTLE_MS_MAX = 90_000;

/**
 * The end of a run: the faults are put right, and the chain has to come to rest by itself, with an operator who does
 * no more than docs/operations.md says. PROTOCOL.md §10, invariant 6.
 */
export class Settling {
  readonly #world: World;
  readonly #faults: Faults;
  readonly #clients: readonly SimClient[];
  readonly #record: (call: Call) => void;
  #endMs = 0;
  #over = false;
  /** Said last. */
  #lastMissing: string | null = '';

  constructor(
    world: World,
    deps: { faults: Faults; clients: readonly SimClient[]; record: (call: Call) => void },
  ) {
    this.#world = world;
    this.#faults = deps.faults;
    this.#clients = deps.clients;
    this.#record = deps.record;
  }

  get over(): boolean {
    return this.#over;
  }

  beginAfter(delayMs: number): void {
    this.#world.scheduler.after(delayMs, () => {
      this.#world.say(() => 'the faults end');
      this.#faults.end();
      for (const client of this.#clients) client.finish();
      this.#endMs = this.#world.scheduler.nowMs + SETTLE_MS_MAX;
      this.#world.scheduler.after(OPERATOR_MS, () => this.#operate());
      this.#look();
    });
  }

  #look(): void {
    const missing = this.#missing();
    if (missing !== this.#lastMissing) this.#world.say(() => `missing: ${missing}`);
    this.#lastMissing = missing;
    if (missing === null && this.#readAll()) {
      this.#over = true;
      return;
    }
    if (this.#world.scheduler.nowMs >= this.#endMs) {
      this.#world.checks.violate(
        'I6',
        `${SETTLE_MS_MAX} ms after the faults: ${missing ?? 'no member answers reads'}\n${this.#states()}`,
      );
    }
    this.#world.scheduler.after(LOOK_MS, () => this.#look());
  }

  /** What is not as it should be yet, in words; `null` when nothing is. */
  #missing(): string | null {
    const { newest, coordinator } = this.#world;
    if (newest === null) return 'there is no configuration';
    if (coordinator?.configuration()?.epoch !== newest.epoch) return 'the coordinator is behind';
    // Not what the file says: an edit that can't be done without losing data is refused.
    const { replicas, nodes } = coordinator.topology().topology;
    const { length } = newest.members;
    if (length !== replicas) return `the chain has ${length} members of ${replicas}`;
    if (newest.joiner !== null) return 'there is a joiner still';
    if (newest.sealed) return 'the chain is sealed';
    const [head] = newest.members;
    const received = head && this.#world.node(head.node)?.status().received;
    for (const { node, storeId, boot } of newest.members) {
      if (!Object.hasOwn(nodes, node)) return `${node} is a member still`;
      const status = this.#world.node(node)?.status();
      const who = status?.incarnation as { storeId?: string; boot?: number } | undefined;
      if (who?.storeId !== storeId || who.boot !== boot) return `${node} is another incarnation`;
      if (status?.epoch !== newest.epoch || status.ready !== true) return `${node} is not ready`;
      if (status.committed !== received) return `${node} has committed ${status.committed} of ${received}`;
    }
    const waiting = this.#clients.filter((client) => !client.idle).length;
    return waiting > 0 ? `${waiting} clients wait for their answers` : null;
  }

  /** A last look at all that is there: what was acknowledged and is lost shows. @returns whether it could be read. */
  #readAll(): boolean {
    const { newest, scheduler } = this.#world;
    const service = newest && this.#world.node(tailOf(newest).node);
    if (!newest || service?.routeNow('read', NO_EPOCH, null)?.kind !== 'here') return false;
    this.#world.checks.compareMembers(newest);
    for (const key of keysOf(this.#clients)) {
      this.#record(readAtTheEnd(key, service.get(key) ?? null, scheduler.nowMs));
    }
    return true;
  }

  /** Does for nodes that can't get over it by themselves what their words ask for. */
  #operate(): void {
    const world = this.#world;
    world.scheduler.after(OPERATOR_MS, () => this.#operate());
    this.#putBack();
    for (const name of world.known) {
      const health = world.node(name)?.health();
      if (health === undefined || health.well) continue;
      world.say(() => `the operator starts ${name} again: ${health.reason}`);
      world.kill(name, { power: false });
      const { disk } = world.host(name);
      for (const directory of damagedDirectories(disk.paths())) disk.removeUnder(directory);
      world.start(name);
    }
  }

  /** A rebuilt register wants nodes back that were taken out of the file while it was lost. */
  #putBack(): void {
    const world = this.#world;
    const waitingFor = JSON.stringify(world.coordinator?.status().waitingFor ?? '');
    const [, names = ''] = /put ([\w, ]+) back into the topology file/.exec(waitingFor) ?? [];
    const missing = names.split(/, | and /).filter((name) => name !== '' && !world.file.nodes.includes(name));
    if (missing.length === 0) return;
    world.edit({ ...world.file, nodes: [...world.file.nodes, ...missing] });
    for (const name of missing) world.start(name);
  }

  #states(): string {
    const { newest, file } = this.#world;
    const lines = [...file.nodes].map((name) => {
      const status = this.#world.node(name)?.status();
      return `${name} ${JSON.stringify(status)}`;
    });
    const coordinator = this.#world.coordinator?.status();
    return [JSON.stringify(newest), ...lines, `${COORDINATOR} ${JSON.stringify(coordinator)}`].join('\n');
  }
}

function damagedDirectories(paths: readonly string[]): Set<string> {
  return new Set(
    paths.filter((path) => path.startsWith('damaged-')).map((path) => path.split('/')[0] ?? path),
  );
}

/** Every key that somebody asked for. */
function keysOf(clients: readonly SimClient[]): Set<string> {
  const operations = clients.flatMap(({ plan }) =>
    plan.asks.flatMap(({ wish }) => {
      if (wish.kind === 'page') return [];
      return wish.kind === 'single' ? [wish.operation] : wish.operations;
    }),
  );
  return new Set(operations.map(({ key }) => key));
}

function readAtTheEnd(key: string, held: StoredRecord | null, atMs: number): Call {
  const record = held && { ...held.value, version: held.version };
  return {
    client: 'the end',
    asked: { kind: 'operations', atomic: true, operations: [{ op: 'get', key }] },
    calledAtMs: atMs,
    answer: { told: { kind: 'done', version: null, results: [{ kind: 'got', record }] }, atMs },
  };
}

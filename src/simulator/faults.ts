import { unreachable } from '../base/assert.ts';
import type { Process } from './machine.ts';
import { COORDINATOR, type Edit, type Fault, type MachineName, nodeNames, type Target } from './plan.ts';
import type { World } from './world.ts';

/** What waits for calm looks again so often, in ms of the world. */
const WAIT_FOR_CALM_MS = 100;
const HELD_FOR_CALM_MS = 1500;
/** A disk that is to hang may have nothing to sync for so long, in ms of the world. */
const HANG_BEGINS_MS_MAX = 1000;
/** A disk is damaged only this long after the last trouble, beyond a suspicion, in ms of the world. */
const CALM_MS = 300;
/** How long after a disk was damaged its node is started again, so that it shows, in ms of the world. */
const DAMAGE_SHOWS_MS = 200;

type Kinds = ReadonlySet<Fault['kind']>;

/** Faults that can take from a disk what was synced there: the protocol bears them one node at a time. */
const DAMAGING: Kinds = new Set(['bit-flip', 'replace']);

/** With durability `memory` a process that ends takes with it what was acknowledged, until its disk has caught up. */
const DAMAGING_IN_MEMORY: Kinds = new Set(['crash', 'stop']);
/** Then these may take the only copy there is, which that durability does not promise to survive. */
const FATAL_IN_MEMORY: Kinds = new Set(['power-cut', 'disk-full', 'disk-error', 'register-lost']);

/** Lets the faults of a plan happen in a world, and puts each right in its time. */
export class Faults {
  readonly #world: World;
  /** How many last at the moment. */
  #underWay = 0;
  /** When one happened or ended last, in ms of the world. */
  #lastMs = 0;
  /** Some operation of a disk is still to fail, or has. */
  #isArmed = false;
  /** Those that wait for calm, and until when others make room for the latest. */
  readonly #waiting = new Set<Fault>();
  #heldUntilMs = 0;
  /** The node whose disk was damaged, until it holds a copy again. */
  #damaged: { readonly name: MachineName; readonly before: Process | null } | null = null;
  /** How many happened, by kind. */
  readonly counts: Record<string, number> = {};
  #over = false;

  constructor(world: World) {
    this.#world = world;
  }

  plan(faults: readonly Fault[]): void {
    const { scheduler, checks } = this.#world;
    for (const fault of faults) {
      scheduler.after(fault.atMs, () => {
        const { behindChangeMs } = fault;
        if (behindChangeMs === null) return this.#happen(fault);
        checks.whenChanged(() => scheduler.after(behindChangeMs, () => this.#happen(fault)));
      });
    }
  }

  /** All is put right: what is dead starts, what is cut is mended, what is paused goes on; nothing more goes wrong. */
  end(): void {
    const world = this.#world;
    this.#over = true;
    world.network.healAll();
    for (const name of [...nodeNames(world.setup), COORDINATOR]) {
      const { disk, running } = world.host(name);
      disk.heal();
      running?.process.goOn();
    }
    for (const name of world.known) world.start(name);
    // Some edit may have made the lease shorter than the way through the chain and back takes.
    const { file, setup } = world;
    if (file.leaseMs < setup.timing.leaseMs) world.edit({ ...file, leaseMs: setup.timing.leaseMs });
  }

  #happen(fault: Fault): void {
    if (this.#over) return;
    if (!this.#mayHappen(fault)) return this.#notNow(fault);
    if (!this.#hits(fault)) return this.#world.say(() => `hits nobody: ${JSON.stringify(fault)}`);
    this.#world.say(() => `FAULT ${JSON.stringify(fault)}`);
    this.#lastMs = this.#world.scheduler.nowMs;
    this.counts[fault.kind] = (this.counts[fault.kind] ?? 0) + 1;
    this.#apply(fault);
  }

  /** Calm is rare: what needs it waits for it, and others are held back for a while. */
  #notNow(fault: Fault): void {
    const { scheduler } = this.#world;
    if (this.#needsCalm(fault)) {
      if (!this.#waiting.has(fault)) this.#heldUntilMs = scheduler.nowMs + HELD_FOR_CALM_MS;
      this.#waiting.add(fault);
      scheduler.after(WAIT_FOR_CALM_MS, () => this.#happen(fault));
    } else this.#world.say(() => `not now: ${JSON.stringify(fault)}`);
  }

  /** Whether those that it is meant for are there. */
  #hits(fault: Fault): boolean {
    const [from, to] = 'a' in fault ? [fault.a, fault.b] : 'from' in fault ? [fault.from, fault.to] : [];
    if (from !== undefined && to !== undefined) {
      const [a, b] = [this.#find(from), this.#find(to)];
      return a !== null && b !== null && a !== b;
    }
    if (!('who' in fault)) return true;
    const name = this.#find(fault.who);
    if (name === null) return false;
    const needsProcess = fault.kind === 'crash' || fault.kind === 'stop' || fault.kind === 'pause';
    return !needsProcess || this.#world.host(name).running !== null;
  }

  /**
   * A copy that is lost can be made again only from another: nothing else goes wrong between the loss and that.
   */
  #mayHappen(fault: Fault): boolean {
    if (this.#damaged !== null && !this.#isWholeAgain(this.#damaged))
      return this.#hitsAlone(this.#damaged.name, fault);
    this.#damaged = null;
    const inMemory = this.#world.setup.durability === 'memory';
    if (inMemory && FATAL_IN_MEMORY.has(fault.kind)) return false;
    if (fault.kind === 'register-lost') return this.#isComplete();
    if (this.#needsCalm(fault)) return this.#isCalm() && this.#isWhole();
    return this.#world.scheduler.nowMs >= this.#heldUntilMs;
  }

  #needsCalm({ kind }: Fault): boolean {
    const inMemory = this.#world.setup.durability === 'memory';
    return DAMAGING.has(kind) || (inMemory && DAMAGING_IN_MEMORY.has(kind));
  }

  /** Long enough for the coordinator to know of everybody how they are: it is not about to drop those that are left. */
  #isCalm(): boolean {
    const { scheduler, setup } = this.#world;
    return (
      this.#underWay === 0 &&
      !this.#isArmed &&
      scheduler.nowMs - this.#lastMs > setup.timing.suspectAfterMs + CALM_MS
    );
  }

  /** What hits the one that holds no copy anyway takes none away. */
  #hitsAlone(name: MachineName, fault: Fault): boolean {
    const hits = fault.kind === 'crash' || fault.kind === 'slow-disk' || fault.kind === 'pause';
    return hits && name !== COORDINATOR && this.#find(fault.who) === name;
  }

  /** Every node and the coordinator run: a lost register is made again from what all of them hold. */
  #isComplete(): boolean {
    const { file } = this.#world;
    return [...file.nodes, COORDINATOR].every((name) => this.#world.host(name).running !== null);
  }

  /** Every member is up and ready, and there are at least two. */
  #isWhole(): boolean {
    const { newest } = this.#world;
    if (newest === null || newest.members.length < 2) return false;
    return newest.members.every((member) => {
      const status = this.#world.node(member.node)?.status();
      return status?.epoch === newest.epoch && status.ready === true && status.phase === 'running';
    });
  }

  #isWholeAgain({ name, before }: { name: MachineName; before: Process | null }): boolean {
    if (!this.#isWhole() || this.#underWay > 0) return false;
    const { running } = this.#world.host(name);
    if (running === null || running.process === before) return false;
    if (name === COORDINATOR)
      return running.coordinator?.configuration()?.epoch === this.#world.newest?.epoch;
    const phase = this.#world.node(name)?.status().phase;
    if (phase !== 'running') return false;
    this.#world.checks.damaged.delete(name);
    return true;
  }

  #apply(fault: Fault): void {
    const world = this.#world;
    switch (fault.kind) {
      case 'crash':
        return this.#crash(this.#find(fault.who), fault);
      case 'stop':
        return this.#stop(this.#find(fault.who), fault.forMs);
      case 'power-cut':
        return this.#powerCut(fault.coordinator, fault.forMs);
      case 'pause':
        return this.#pause(this.#find(fault.who), fault);
      case 'break':
        return this.#between(fault.a, fault.b, (a, b) => world.network.breakBetween(a, b));
      case 'stall':
        return this.#between(fault.a, fault.b, (a, b) => this.#stall(a, b, fault));
      case 'refuse':
        return this.#between(fault.from, fault.to, (from, to) => {
          world.network.refuse(from, to);
          if (fault.breaks) world.network.breakBetween(from, to);
          this.#later(fault.forMs, () => world.network.admit(from, to));
        });
      case 'partition':
        return this.#partition(
          fault.group.map((who) => this.#find(who)),
          fault,
        );
      case 'slow-disk':
        return this.#withDisk(fault.who, (disk) => {
          disk.slow(fault.factor);
          this.#later(fault.forMs, () => disk.slow(1));
        });
      case 'disk-hang':
        return this.#withDisk(fault.who, (disk) => {
          disk.delayNextSync(fault.forMs);
          this.#later(fault.forMs + HANG_BEGINS_MS_MAX, () => {});
        });
      case 'disk-error':
        this.#isArmed = true;
        return this.#withDisk(fault.who, (disk) => disk.fail(fault.operation));
      case 'disk-full':
        return this.#withDisk(fault.who, (disk) => {
          disk.full(true);
          this.#later(fault.forMs, () => disk.full(false));
        });
      case 'bit-flip':
        return this.#flip(this.#find(fault.who), fault.where);
      case 'replace':
        return this.#replace(this.#find(fault.who), fault.forMs);
      case 'clock-jump': {
        const name = this.#find(fault.who);
        return name === null ? undefined : world.host(name).machine.jumpWallClock(fault.byMs);
      }
      case 'coordinator-crash':
        return this.#crash(COORDINATOR, fault);
      case 'register-lost':
        world.keepTakenFile();
        this.#noteDamage(COORDINATOR);
        this.#crash(COORDINATOR, { power: true, forMs: fault.forMs });
        return world.host(COORDINATOR).disk.wipe();
      case 'edit':
        return this.#edit(fault.edit);
      default:
        return unreachable(fault);
    }
  }

  #find(who: Target): MachineName | null {
    if ('name' in who) return who.name;
    const { newest, file } = this.#world;
    const members = newest?.members.map(({ node }): MachineName => node) ?? [];
    switch (who.place) {
      case 'head':
        return members[0] ?? null;
      case 'middle':
        return members[1] ?? null;
      case 'before-tail':
        return members.at(-2) ?? null;
      case 'tail':
        return members.at(-1) ?? null;
      case 'joiner':
        return newest?.joiner?.node ?? null;
      case 'spare':
        return file.nodes.find((name) => !members.includes(name)) ?? null;
      default:
        return unreachable(who.place);
    }
  }

  #later(forMs: number, call: () => void): void {
    this.#underWay += 1;
    this.#world.scheduler.after(forMs, () => {
      this.#underWay -= 1;
      this.#lastMs = this.#world.scheduler.nowMs;
      if (!this.#over) call();
    });
  }

  #crash(name: MachineName | null, { power, forMs }: { power: boolean; forMs: number }): void {
    const world = this.#world;
    if (name === null || world.host(name).running === null) return;
    if (world.setup.durability === 'memory' && name !== COORDINATOR) this.#noteDamage(name);
    world.kill(name, { power });
    this.#later(forMs, () => world.start(name));
  }

  /** As SIGTERM does: it ends in order. */
  #stop(name: MachineName | null, forMs: number): void {
    const world = this.#world;
    const running = name === null ? null : world.host(name).running;
    if (name === null || running === null) return;
    if (world.setup.durability === 'memory' && name !== COORDINATOR) this.#noteDamage(name);
    const stopped = (running.node ?? running.coordinator)?.stop();
    const ended = (): void => {
      running.process.reach(() => {
        world.kill(name, { power: false });
        if (this.#over) world.start(name);
      });
    };
    stopped?.then(ended, (error: unknown) => world.stopFailed(name, running.process, error));
    this.#later(forMs + 200, () => {
      world.kill(name, { power: false });
      world.start(name);
    });
  }

  #powerCut(coordinator: 'stays' | 'cut' | 'loses its register', forMs: readonly number[]): void {
    const world = this.#world;
    const names = [...world.file.nodes, ...(coordinator === 'stays' ? [] : [COORDINATOR])];
    const losesRegister = coordinator === 'loses its register' && world.keepTakenFile();
    if (losesRegister) this.#noteDamage(COORDINATOR);
    for (const [at, name] of names.entries()) this.#crash(name, { power: true, forMs: forMs[at] ?? 500 });
    if (losesRegister) world.host(COORDINATOR).disk.wipe();
  }

  #pause(name: MachineName | null, { suspended, forMs }: { suspended: boolean; forMs: number }): void {
    const running = name === null ? null : this.#world.host(name).running;
    if (running === null || running.process.paused) return;
    const { process } = running;
    process.pause();
    this.#underWay += 1;
    this.#world.scheduler.after(forMs, () => {
      this.#underWay -= 1;
      this.#lastMs = this.#world.scheduler.nowMs;
      if (suspended) process.machine.stoodStill(forMs);
      process.goOn();
      this.#world.checks.resumed(process);
    });
  }

  #between(a: Target, b: Target, call: (a: MachineName, b: MachineName) => void): void {
    const from = this.#find(a);
    const to = this.#find(b);
    if (from !== null && to !== null && from !== to) call(from, to);
  }

  #stall(a: MachineName, b: MachineName, { bothWays, forMs }: { bothWays: boolean; forMs: number }): void {
    const { network } = this.#world;
    network.stall(a, b);
    if (bothWays) network.stall(b, a);
    this.#later(forMs, () => {
      network.flow(a, b);
      if (bothWays) network.flow(b, a);
    });
  }

  #partition(
    group: readonly (MachineName | null)[],
    { oneWay, forMs }: { oneWay: boolean; forMs: number },
  ): void {
    const { network, setup } = this.#world;
    const others = [...nodeNames(setup), COORDINATOR].filter((name) => !group.includes(name));
    const pairs = group.flatMap((name) =>
      name === null ? [] : others.map((other) => [name, other] as const),
    );
    for (const [a, b] of pairs) {
      network.cut(a, b);
      if (!oneWay) network.cut(b, a);
    }
    this.#later(forMs, () => {
      for (const [a, b] of pairs) {
        network.mend(a, b);
        if (!oneWay) network.mend(b, a);
      }
    });
  }

  #withDisk(who: Target, call: (disk: ReturnType<World['host']>['disk']) => void): void {
    const name = this.#find(who);
    if (name === null) return;
    const host = this.#world.host(name);
    host.isTroubled = true;
    call(host.disk);
  }

  #flip(name: MachineName | null, where: 'log' | 'snapshot'): void {
    const world = this.#world;
    if (name === null || name === COORDINATOR || !world.host(name).disk.flipBit(where)) return;
    this.#noteDamage(name);
    world.scheduler.after(DAMAGE_SHOWS_MS, () => {
      world.kill(name, { power: false });
      world.start(name);
    });
  }

  #replace(name: MachineName | null, forMs: number): void {
    const world = this.#world;
    if (name === null || name === COORDINATOR) return;
    this.#noteDamage(name);
    world.kill(name, { power: true });
    world.host(name).disk.wipe();
    this.#later(forMs, () => world.start(name));
  }

  #noteDamage(name: MachineName): void {
    this.#damaged = { name, before: this.#world.host(name).running?.process ?? null };
    this.#world.checks.damaged.add(name);
  }

  #edit(edit: Edit): void {
    const world = this.#world;
    const { file } = world;
    switch (edit.kind) {
      case 'reorder':
        return world.edit({ ...file, chain: turned(file.chain, edit.turn) });
      case 'add': {
        const name = nodeNames(world.setup).find((other) => !file.nodes.includes(other));
        if (name === undefined) return;
        const chain = edit.first ? [name, ...file.chain] : [...file.chain, name];
        world.edit({ ...file, chain, nodes: [...file.nodes, name] });
        return world.start(name);
      }
      case 'remove': {
        const name = this.#find(edit.who);
        const chain = file.chain.filter((other) => other !== name);
        const nodes = file.nodes.filter((other) => other !== name);
        if (chain.length === 0) return;
        return world.edit({ ...file, chain, nodes, replicas: Math.min(file.replicas, chain.length) });
      }
      case 'replicas':
        return world.edit({ ...file, replicas: Math.min(edit.replicas, file.chain.length) });
      case 'reads':
        return world.edit({ ...file, reads: file.reads === 'any' ? 'tail' : 'any' });
      case 'lease':
        return world.edit({ ...file, leaseMs: edit.leaseMs });
      case 'bad':
        return world.coordinator?.refuseFile('the simulated file is bad');
      default:
        return unreachable(edit);
    }
  }
}

/** One of the orders of a list. */
function turned(list: readonly string[], turn: number): string[] {
  const left = [...list];
  const order: string[] = [];
  for (let rest = turn; left.length > 0; rest = Math.floor(rest / 2) + 1)
    order.push(...left.splice(rest % left.length, 1));
  return order;
}

/** One thing that may happen next. */
export interface Item {
  /** What people and tests call the lane: `disk n2`, `n1>n2`. Several lanes may share a name. */
  readonly name: string;
  readonly run: () => void;
  /** Whether it can happen now, as a dial to a node that is down can't. */
  readonly possible: () => boolean;
}

interface Lane {
  readonly name: string;
  readonly key: string;
  readonly items: { readonly item: Item; readonly number: number }[];
}

/**
 * Everything that is under way. Within a lane (a direction of a connection, a disk, ...) things happen in order, and only
 * the first can be next; between lanes any order is possible, and whoever holds this chooses it.
 */
export class Lanes {
  readonly #lanes = new Map<string, Lane>();
  readonly #held = new Set<string>();
  #count = 0;

  add(
    lane: { readonly name: string; readonly key: string },
    run: () => void,
    possible: () => boolean = () => true,
  ): void {
    const found = this.#lanes.get(lane.key) ?? { ...lane, items: [] };
    this.#lanes.set(lane.key, found);
    this.#count += 1;
    found.items.push({ item: { name: lane.name, run, possible }, number: this.#count });
  }

  /** Drops what waits in a lane, but for the first `keep`. */
  discard(key: string, keep = 0): void {
    const lane = this.#lanes.get(key);
    if (!lane) return;
    lane.items.length = Math.min(lane.items.length, keep);
    if (lane.items.length === 0) this.#lanes.delete(key);
  }

  /** How much waits in a lane. */
  lengthOf(key: string): number {
    return this.#lanes.get(key)?.items.length ?? 0;
  }

  /** What is in lanes of these names waits until they are released. */
  hold(...names: readonly string[]): void {
    for (const name of names) this.#held.add(name);
  }

  /** Lets lanes of these names go on; without names all. */
  release(...names: readonly string[]): void {
    if (names.length === 0) this.#held.clear();
    for (const name of names) this.#held.delete(name);
  }

  get held(): readonly string[] {
    return [...this.#held];
  }

  /** Whether something waits in a lane of this name. */
  waits(name: string): boolean {
    return [...this.#lanes.values()].some((lane) => lane.name === name);
  }

  /** What can happen next, in the order in which it was asked for; with `name` in lanes of that name, held or not. */
  next(name?: string): Lane[] {
    const open = [...this.#lanes.values()].filter((lane) => {
      const wanted = name === undefined ? !this.#held.has(lane.name) : lane.name === name;
      return wanted && lane.items[0]?.item.possible();
    });
    return open.sort((a, b) => (a.items[0]?.number ?? 0) - (b.items[0]?.number ?? 0));
  }

  /** Lets the first thing of a lane happen. */
  take(lane: Lane): void {
    const first = lane.items.shift();
    if (lane.items.length === 0) this.#lanes.delete(lane.key);
    first?.item.run();
  }
}

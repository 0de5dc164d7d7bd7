import type { NodeId } from '../base/ids.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { Transport } from '../ports/transport.ts';

/** How long a knock may take; nothing can be said of a node behind it, in ms. */
const KNOCK_MS_MAX = 200;
/** From the end of one knock to the next, in ms. */
const KNOCK_AGAIN_MS = 25;
/** The same where somebody listens: doubled each time, up to this. The process lives, and has no need to be asked so often. */
const OPEN_MS_MAX = 200;

interface Door {
  address: string;
  waitMs: number;
  cancel: Cancel;
}

/**
 * Knocks at the peer ports of the nodes that have lost their connection, one knock at a time at each, to learn at once
 * which of them died: the machine of a dead process refuses.
 */
export class CoordinatorKnocker {
  readonly #knocked: (node: NodeId, refused: boolean) => void;
  readonly #deps: { readonly clock: Clock; readonly transport: Transport };
  readonly #doors = new Map<NodeId, Door>();

  /** `knocked` is called for every knock that could tell something, from a turn of its own. */
  constructor(
    knocked: (node: NodeId, refused: boolean) => void,
    deps: { clock: Clock; transport: Transport },
  ) {
    this.#knocked = knocked;
    this.#deps = deps;
  }

  /** These, and no others any more, are knocked at: peer addresses by node. */
  knockAt(addresses: ReadonlyMap<NodeId, string>): void {
    for (const node of this.#doors.keys()) if (!addresses.has(node)) this.#leave(node);
    for (const [node, address] of addresses) {
      const door = this.#doors.get(node);
      if (door !== undefined) door.address = address;
      else this.#knock(node, this.#newDoor(node, address));
    }
  }

  #newDoor(node: NodeId, address: string): Door {
    const door: Door = { address, waitMs: KNOCK_AGAIN_MS, cancel: () => {} };
    this.#doors.set(node, door);
    return door;
  }

  #leave(node: NodeId): void {
    this.#doors.get(node)?.cancel();
    this.#doors.delete(node);
  }

  #knock(node: NodeId, door: Door): void {
    const { clock, transport } = this.#deps;
    void transport.knock(door.address, { withinMs: KNOCK_MS_MAX }).then((found) => {
      // What was found of a node that has come back since is old news.
      if (this.#doors.get(node) !== door) return;
      door.cancel = clock.after(door.waitMs, () => this.#knock(node, door));
      door.waitMs = found === 'open' ? Math.min(door.waitMs * 2, OPEN_MS_MAX) : KNOCK_AGAIN_MS;
      if (found !== 'unknown') this.#knocked(node, found === 'refused');
    });
  }
}

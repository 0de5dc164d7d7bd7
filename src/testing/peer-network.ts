import type { Cancel } from '../ports/clock.ts';
import type { CuttableConnection } from './cuttable-connection.ts';

/**
 * The cables between the processes of one chain. Between two that are cut from each other nothing arrives, and nobody is told:
 * as with a pulled cable, not as with a process that died.
 */
export class PeerNetwork {
  readonly #nameByPort: ReadonlyMap<number, string>;
  readonly #cuts = new Set<string>();
  readonly #connections = new Set<CuttableConnection>();
  readonly #healing = new Set<() => void>();

  /** `nameByPort`: who listens for its peers on which port. */
  constructor(nameByPort: ReadonlyMap<number, string>) {
    this.#nameByPort = nameByPort;
  }

  /** Who listens at `host:port`; an address of nobody stands for itself. */
  nameAt(address: string): string {
    const port = Number(address.slice(address.lastIndexOf(':') + 1));
    return this.#nameByPort.get(port) ?? address;
  }

  isCut(a: string, b: string): boolean {
    return this.#cuts.has(pairOf(a, b));
  }

  /** Both ways, from now on. */
  cut(a: string, b: string): void {
    this.#cuts.add(pairOf(a, b));
  }

  /** All is joined again. Connections that lost something meanwhile end, at both ends. */
  heal(): void {
    this.#cuts.clear();
    for (const connection of [...this.#connections]) connection.healed();
    for (const call of [...this.#healing]) call();
  }

  /** Calls this whenever it is healed. */
  onHealed(call: () => void): Cancel {
    this.#healing.add(call);
    return () => this.#healing.delete(call);
  }

  /** A connection of this network. @returns what forgets it. */
  add(connection: CuttableConnection): Cancel {
    this.#connections.add(connection);
    return () => this.#connections.delete(connection);
  }
}

function pairOf(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}

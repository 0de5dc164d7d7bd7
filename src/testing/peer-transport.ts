import { TcpTransport } from '../platform/transport.ts';
import type { Connection, ConnectionListener, Listening, Transport } from '../ports/transport.ts';
import { CuttableConnection } from './cuttable-connection.ts';
import type { Life } from './life.ts';
import type { PeerNetwork } from './peer-network.ts';

/** How long a real dial waits for an answer before it tries again, in ms. */
const CONNECT_MS_MAX = 2000;

type DialOptions = Parameters<Transport['dial']>[1];

/** TCP as one process of a test chain has it: gone with its life, and cut where its network is. */
export class PeerTransport implements Transport {
  readonly #name: string;
  readonly #life: Life;
  readonly #network: PeerNetwork;
  readonly #tcp = new TcpTransport();

  constructor(name: string, { life, network }: { life: Life; network: PeerNetwork }) {
    this.#name = name;
    this.#life = life;
    this.#network = network;
  }

  async accept(
    at: { hosts: readonly string[]; port: number },
    accepted: (connection: Connection) => void,
  ): Promise<Listening> {
    const life = this.#life;
    const listen = this.#tcp.accept(at, (connection) => {
      if (life.over) connection.close();
      else accepted(new MortalConnection(connection, life));
    });
    const listening = await life.lived(listen, (late) => late.close());
    life.atEnd(() => void listening.close());
    return listening;
  }

  async knock(address: string, options: { withinMs: number }): Promise<'open' | 'refused' | 'unknown'> {
    if (!this.#isCutFrom(address)) return this.#life.lived(this.#tcp.knock(address, options));
    await new Promise<void>((resolve) => this.#life.clock.after(options.withinMs, resolve));
    return 'unknown';
  }

  dial(address: string, options: DialOptions): Promise<Connection> {
    const signal = AbortSignal.any([options.signal, this.#life.signal]);
    return this.#life.lived(this.#dial(address, { ...options, signal }), (late) => late.close());
  }

  async #dial(address: string, options: DialOptions): Promise<Connection> {
    for (;;) {
      if (this.#isCutFrom(address)) await this.#joined(options);
      const real = await this.#tcp.dial(address, options);
      if (!this.#isCutFrom(address)) return this.#connected(real, address);
      real.close();
    }
  }

  #connected(real: Connection, address: string): Connection {
    const connection = new CuttableConnection(real, {
      isCut: () => this.#isCutFrom(address),
      gone: () => {
        forget();
        unwatch();
      },
    });
    const forget = this.#network.add(connection);
    const unwatch = this.#life.atEnd(() => connection.close());
    return connection;
  }

  #isCutFrom(address: string): boolean {
    return this.#network.isCut(this.#name, this.#network.nameAt(address));
  }

  /** Waits for the next healing, and says meanwhile what a dial that nobody answers says. */
  #joined({ signal, failed }: DialOptions): Promise<void> {
    const { clock } = this.#life;
    return new Promise((resolve, reject) => {
      const noAnswer = (): void => {
        failed(`no answer within ${CONNECT_MS_MAX} ms`);
        cancel = clock.after(CONNECT_MS_MAX, noAnswer);
      };
      let cancel = clock.after(CONNECT_MS_MAX, noAnswer);
      const settle = (): void => {
        cancel();
        unwatch();
        signal.removeEventListener('abort', aborted);
      };
      const unwatch = this.#network.onHealed(() => {
        settle();
        resolve();
      });
      const aborted = (): void => {
        settle();
        reject(signal.reason);
      };
      signal.addEventListener('abort', aborted, { once: true });
      if (signal.aborted) aborted();
    });
  }
}

/** A connection that was accepted: it ends with the life of the process that did. */
class MortalConnection implements Connection {
  readonly #real: Connection;
  readonly #unwatch: () => void;

  constructor(real: Connection, life: Life) {
    this.#real = real;
    this.#unwatch = life.atEnd(() => real.close());
  }

  get remote(): string {
    return this.#real.remote;
  }

  get bufferedBytes(): number {
    return this.#real.bufferedBytes;
  }

  send(chunks: readonly Uint8Array[]): void {
    this.#real.send(chunks);
  }

  close(): void {
    this.#unwatch();
    this.#real.close();
  }

  listen(listener: ConnectionListener): void {
    this.#real.listen({
      data: (bytes) => listener.data(bytes),
      drained: () => listener.drained(),
      closed: (reason) => {
        this.#unwatch();
        listener.closed(reason);
      },
    });
  }
}

import type { Server } from 'node:http';
import { CatenaError, messageOf } from '../base/errors.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import { errorCodeOf } from './error-code.ts';

/** Every address of the machine, IPv4 and IPv6 alike. */
const ALL_HOSTS = 'all';
/** How often port 0 is tried when the port that the system picked on the first host is taken on another. */
const PORT_PICKS_MAX = 5;
/** The machine has no such address: another host has to do. */
const NOT_HERE: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT']);

/** Something that answers HTTP. */
export interface HttpServer {
  /**
   * Accepts connections on all of `hosts`, on the same port; port 0 picks one. `all` stands for every address of the
   * machine. A host that the machine doesn't have is left out, as long as another one works.
   *
   * @throws CatenaError PORT_IN_USE naming the port, BAD_TOPOLOGY when it can't listen for another reason.
   */
  listen(at: { hosts: readonly string[]; port: number }): Promise<void>;
  /** The port it listens on; 0 before it does. */
  port(): number;
  /**
   * Stops accepting, closes idle connections at once, lets requests under way end, and closes what is left of
   * connections after `graceMs`.
   */
  close(graceMs: number): Promise<void>;
}

/** A server of Node's on each of several hosts, all on the same port. */
export class Listeners {
  readonly #make: () => Server;
  readonly #clock: Clock;
  #servers: readonly Server[] = [];
  #port = 0;

  constructor(make: () => Server, { clock }: { clock: Clock }) {
    this.#make = make;
    this.#clock = clock;
  }

  port(): number {
    return this.#port;
  }

  async listen({ hosts, port }: { hosts: readonly string[]; port: number }): Promise<void> {
    for (let pick = 1; ; pick++) {
      try {
        await this.#listenOnce(hosts, port);
        return;
      } catch (error) {
        await this.close(0);
        if (port !== 0 || pick === PORT_PICKS_MAX || errorCodeOf(error) !== 'EADDRINUSE') {
          throw listenError(error, { hosts, port });
        }
      }
    }
  }

  async close(graceMs: number): Promise<void> {
    const servers = this.#servers;
    this.#servers = [];
    let cancel: Cancel = () => {};
    if (graceMs > 0) cancel = this.#clock.after(graceMs, () => dropAll(servers));
    const closed = Promise.all(servers.map(closeServer));
    if (graceMs <= 0) dropAll(servers);
    await closed;
    cancel();
  }

  async #listenOnce(hosts: readonly string[], port: number): Promise<void> {
    let absent: unknown = null;
    this.#port = port;
    for (const host of hosts) {
      try {
        await this.#listenOn(host);
      } catch (error) {
        if (!NOT_HERE.has(errorCodeOf(error))) throw error;
        absent = error;
      }
    }
    if (this.#servers.length === 0) throw absent ?? new Error('no host to listen on');
  }

  async #listenOn(host: string): Promise<void> {
    if (host !== ALL_HOSTS) return await this.#bind(host);
    try {
      await this.#bind('::');
    } catch (error) {
      if (!NOT_HERE.has(errorCodeOf(error))) throw error;
      await this.#bind('0.0.0.0');
    }
  }

  async #bind(host: string): Promise<void> {
    const server = this.#make();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port: this.#port }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    this.#servers = [...this.#servers, server];
    const address = server.address();
    if (typeof address === 'object' && address !== null) this.#port = address.port;
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}

function dropAll(servers: readonly Server[]): void {
  for (const server of servers) server.closeAllConnections();
}

function listenError(
  error: unknown,
  { hosts, port }: { hosts: readonly string[]; port: number },
): CatenaError {
  if (errorCodeOf(error) === 'EADDRINUSE') {
    return new CatenaError(
      'PORT_IN_USE',
      `port ${port} is in use on ${hosts.join(', ')}: stop the program that holds it, or give another port`,
      { cause: error },
    );
  }
  return new CatenaError(
    'BAD_TOPOLOGY',
    `can't listen on port ${port} of ${hosts.join(', ')}: ${messageOf(error)}; check the URLs, or give --listen`,
    { cause: error },
  );
}

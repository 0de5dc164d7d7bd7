import type { Connection, Transport } from '../ports/transport.ts';
import { TcpConnection } from './connection.ts';
import { type DialOptions, dialUntilConnected } from './dialler.ts';
import { knockOnce } from './knock.ts';
import { type ListeningPort, listenOn } from './listener.ts';

/** TCP between the processes of a cluster. */
export class TcpTransport implements Transport {
  async accept(
    at: { hosts: readonly string[]; port: number },
    accepted: (connection: Connection) => void,
  ): Promise<ListeningPort> {
    return listenOn(at, (socket) => accepted(new TcpConnection(socket)));
  }

  knock(address: string, options: { withinMs: number }): Promise<'open' | 'refused' | 'unknown'> {
    return knockOnce(address, options);
  }

  async dial(address: string, options: DialOptions): Promise<Connection> {
    return new TcpConnection(await dialUntilConnected(address, options));
  }
}

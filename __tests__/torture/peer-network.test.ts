import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { epoch, nodeId, seq, storeId } from '../../src/base/ids.ts';
import { encodeMessage } from '../../src/codec/message-codec.ts';
import { until } from '../support/cluster.ts';
import { freePorts } from '../support/free-ports.ts';
import { PeerNetwork } from './peer-network.ts';

const HOST = '127.0.0.1';
/** What n1 says first to the coordinator. */
const HEARTBEAT = Buffer.concat(
  encodeMessage({
    kind: 'heartbeat',
    protocolVersion: 2,
    report: {
      incarnation: { node: nodeId('n1'), storeId: storeId('s'), boot: 1 },
      phase: 'running',
      problem: null,
      empty: true,
      configuration: null,
      received: seq(0),
      durable: seq(0),
      committed: seq(0),
      ready: false,
      stopped: false,
      readOnly: false,
      stalledMs: 0,
      transfer: null,
      unreachable: [],
      topologyVersion: epoch(0),
      wallMs: 0,
    },
  }),
);

let network: PeerNetwork;
let server: Server;
let proxyPort: number;
let accepted: Socket[];
let received: Buffer;

beforeEach(async () => {
  const [first = 0, second = 0] = await freePorts(2);
  proxyPort = first;
  accepted = [];
  received = Buffer.alloc(0);
  server = createServer((socket) => {
    accepted.push(socket);
    socket.on('data', (bytes: Buffer) => (received = Buffer.concat([received, bytes])));
    socket.on('error', () => {});
  });
  server.listen(second, HOST);
  await once(server, 'listening');
  network = new PeerNetwork(new Map([['c1', { proxyPort, port: second }]]));
  await network.open('c1');
});
afterEach(async () => {
  network.destroy();
  for (const socket of accepted) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

/** A connection of n1 to the coordinator, and what comes back on it. */
async function dial(): Promise<{ socket: Socket; heard: () => string; closed: () => boolean }> {
  const socket = connect(proxyPort, HOST);
  let heard = '';
  let closed = false;
  socket.on('data', (bytes: Buffer) => (heard += bytes.toString()));
  socket.on('error', () => {});
  socket.on('close', () => (closed = true));
  await once(socket, 'connect');
  return { socket, heard: () => heard, closed: () => closed };
}

test('bytes pass both ways, once it is known who dials', async () => {
  const { socket, heard } = await dial();
  socket.write(HEARTBEAT.subarray(0, 10));
  socket.write(HEARTBEAT.subarray(10));
  await until(() => received.equals(HEARTBEAT), 'the heartbeat');
  accepted[0]?.write('answer');
  await until(() => heard() === 'answer', 'the answer');
});

test('a stalled way holds bytes, and then delivers them all; the other way goes on', async () => {
  const { socket, heard } = await dial();
  socket.write(HEARTBEAT);
  await until(() => received.length > 0, 'the heartbeat');
  const end = network.trouble([{ from: 'n1', to: 'c1' }], 'stalled');
  socket.write('held');
  accepted[0]?.write('goes on');
  await until(() => heard() === 'goes on', 'what goes on');
  expect(received.toString()).not.toContain('held');
  end();
  await until(() => received.toString().endsWith('held'), 'what was held');
});

test('a connection that lost bytes in silence ends with the trouble, and never goes on', async () => {
  const { socket, heard, closed } = await dial();
  socket.write(HEARTBEAT);
  await until(() => received.length > 0, 'the heartbeat');
  const end = network.trouble([{ from: 'n1', to: 'c1' }], 'swallowed');
  socket.write('lost');
  accepted[0]?.write('goes on');
  await until(() => heard() === 'goes on', 'what goes on');
  expect(closed()).toBe(false);
  end();
  await until(closed, 'the end');
  expect(received.equals(HEARTBEAT)).toBe(true);
});

test('a refused way ends what is open and what is opened, for this pair alone', async () => {
  const before = await dial();
  before.socket.write(HEARTBEAT);
  await until(() => received.length > 0, 'the heartbeat');
  const end = network.trouble([{ from: 'n1', to: 'c1' }], 'refused');
  await until(before.closed, 'the end of the open one');
  const during = await dial();
  during.socket.write(HEARTBEAT);
  await until(during.closed, 'the end of the new one');
  expect(accepted).toHaveLength(1);
  end();
  network.trouble([{ from: 'n2', to: 'c1' }], 'refused');
  const after = await dial();
  after.socket.write(HEARTBEAT);
  await until(() => accepted.length === 2, 'one that passes again');
});

test('what closes the connection arrives behind the last bytes', async () => {
  const { socket, heard, closed } = await dial();
  socket.write(HEARTBEAT);
  await until(() => accepted.length === 1, 'the connection');
  accepted[0]?.end('the last words');
  await until(closed, 'the end');
  expect(heard()).toBe('the last words');
});

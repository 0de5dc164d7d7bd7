import {
  listenHosts,
  peerEndpoint,
  peerHost,
  peerPort,
  portOf,
  redirectTarget,
  sameHost,
  urlEndpoint,
} from '../../src/protocol/addresses.ts';
import type { Address } from '../../src/protocol/topology.ts';

const at = (...urls: string[]): Address => ({ urls, peer: 'unused:1' });

describe('redirectTarget', () => {
  const from = at('http://node-1:4466', 'http://localhost:4466', 'http://[fd00::1]:4466');
  const to = at('http://node-2:4466', 'http://localhost:4467', 'http://[fd00::2]:4466');
  const target = (host: string | undefined, hop = { from, to }) => redirectTarget({ ...hop, host });

  test.each([
    ['inside a container network', 'node-1:4466', 'http://node-2:4466'],
    ['from the host', 'localhost:4466', 'http://localhost:4467'],
    ['from the host by IPv4', '127.0.0.1:4466', 'http://localhost:4467'],
    ['from the host by IPv6', '[::1]:4466', 'http://localhost:4467'],
    ['by an IPv6 address', '[fd00::1]:4466', 'http://[fd00::2]:4466'],
    ['by the same IPv6 address in another spelling', '[FD00:0:0::0:1]:4466', 'http://[fd00::2]:4466'],
    ['in capitals', 'NODE-1:4466', 'http://node-2:4466'],
    ['by an absolute name', 'node-1.:4466', 'http://node-2:4466'],
  ])('stays on the network of a request that came %s', (_how, host, expected) => {
    expect(target(host)).toBe(expected);
  });

  test('takes port 80 for a Host or a URL that names none', () => {
    const hop = { from: at('http://a', 'http://b:80'), to: at('http://c', 'http://d') };
    expect(target('a', hop)).toBe('http://c');
    expect(target('a:80', hop)).toBe('http://c');
    expect(target('b', hop)).toBe('http://d');
    expect(target('b:81', hop)).toBe('http://c');
  });

  test("goes to the target's URL with the same host when the Host is none of this node's", () => {
    expect(target('localhost:9999')).toBe('http://localhost:4467');
    expect(target('node-2:1')).toBe('http://node-2:4466');
  });

  test("goes to the target's URL with the same host when its list has nothing at that place", () => {
    const hop = {
      from: at('http://x:1', 'http://y:1', 'http://localhost:1'),
      to: at('http://z:1', 'http://127.0.0.1:2'),
    };
    expect(target('localhost:1', hop)).toBe('http://127.0.0.1:2');
    expect(target('y:1', hop)).toBe('http://127.0.0.1:2');
  });

  test.each([
    ['missing', undefined],
    ['empty', ''],
    ['unknown', 'elsewhere.example'],
    ['no host', 'a b'],
    ['a path', 'node-1:4466/x'],
    ['a login', 'u:p@node-1:4466'],
    ['a port that is none', 'node-1:99999'],
    ['half an IPv6 address', '[::1'],
  ])("goes to the target's first URL when the Host is %s", (_what, host) => {
    expect(target(host)).toBe('http://node-2:4466');
  });
});

test('localhost, 127.0.0.1 and ::1 are one host, with or without brackets', () => {
  expect(sameHost('localhost', '127.0.0.1')).toBe(true);
  expect(sameHost('[::1]', '::1')).toBe(true);
  expect(sameHost('LocalHost', '[::1]')).toBe(true);
  expect(sameHost('node-1', 'NODE-1')).toBe(true);
  expect(sameHost('node-1', 'node-2')).toBe(false);
  expect(sameHost('127.0.0.2', '127.0.0.1')).toBe(false);
});

test('a process listens on the loopbacks only if all of its URLs are loopback', () => {
  expect(listenHosts(['http://localhost:1', 'http://127.0.0.1:2', 'http://[::1]:3'])).toBe('loopback');
  expect(listenHosts(['http://localhost:1', 'http://node-1:1'])).toBe('all');
});

test('ports and hosts are taken from URLs and peer addresses', () => {
  expect(portOf('http://node-1')).toBe(80);
  expect(portOf('http://[::1]:4466')).toBe(4466);
  expect(peerPort('localhost:5466')).toBe(5466);
  expect(peerHost('[::1]:5466')).toBe('::1');
  expect(peerHost('Node-1:5466')).toBe('node-1');
});

test('what is no address has no endpoint', () => {
  for (const url of [
    'http://a/',
    'https://a',
    'http://',
    'http://a:0',
    'http://a:70000',
    'http://u@a',
    'a:1',
    '',
  ]) {
    expect([url, urlEndpoint(url)]).toEqual([url, null]);
  }
  for (const peer of ['a', 'a:', ':1', 'a:0', 'a:65536', '::1:5', 'http://a:1', 'a:1/']) {
    expect([peer, peerEndpoint(peer)]).toEqual([peer, null]);
  }
});

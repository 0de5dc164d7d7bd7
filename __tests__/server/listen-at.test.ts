import { allHosts, LOOPBACK_HOSTS } from '../../src/platform/hosts.ts';
import { listenPlan } from '../../src/server/listen-at.ts';

test('a process whose URLs are all loopback listens on both loopbacks, at the ports of its first URL and its peer', () => {
  const urls = ['http://localhost:4466', 'http://127.0.0.1:9000', 'http://[::1]:9001'];
  expect(listenPlan({ urls, peer: 'localhost:5466' }, {})).toEqual({
    http: { hosts: LOOPBACK_HOSTS, port: 4466 },
    peer: { hosts: LOOPBACK_HOSTS, port: 5466 },
  });
});

test('one other URL makes it listen on all addresses', () => {
  const plan = listenPlan(
    { urls: ['http://localhost:4466', 'http://node-1:4466'], peer: 'localhost:5466' },
    {},
  );
  expect(plan.http.hosts).toEqual(allHosts());
  expect(plan.peer.hosts).toEqual(allHosts());
});

test('an override stands against the topology, for each of the two alone', () => {
  const address = { urls: ['http://localhost:4466'], peer: 'localhost:5466' };
  expect(listenPlan(address, { listen: '[::]:80' })).toEqual({
    http: { hosts: ['::'], port: 80 },
    peer: { hosts: LOOPBACK_HOSTS, port: 5466 },
  });
  expect(listenPlan(address, { listenPeer: 'localhost:99' }).peer).toEqual({
    hosts: LOOPBACK_HOSTS,
    port: 99,
  });
  expect(() => listenPlan(address, { listen: '4466' })).toThrow('HOST:PORT');
});

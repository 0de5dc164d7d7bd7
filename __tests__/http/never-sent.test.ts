import { neverSent } from '../../src/http/forward.ts';

const failed = (more: object) => Object.assign(new Error('it failed'), more);

test.each([
  ['a refused connection', { code: 'ECONNREFUSED', syscall: 'connect' }],
  ['an unknown name', { code: 'ENOTFOUND', syscall: 'getaddrinfo' }],
  ['a host out of reach', { code: 'EHOSTUNREACH', syscall: 'connect' }],
  ['several addresses that refuse', { errors: [failed({ code: 'ECONNREFUSED', syscall: 'connect' })] }],
])('a target has seen nothing over %s', (_, more) => {
  expect(neverSent(failed(more))).toBe(true);
});

test.each([
  ['a host that got out of reach behind the request', { code: 'EHOSTUNREACH', syscall: 'read' }],
  ['a connection that was cut', { code: 'ECONNRESET', syscall: 'read' }],
  ['an answer that did not come', { code: 'UND_ERR_HEADERS_TIMEOUT' }],
])('a target may have got the request over %s', (_, more) => {
  expect(neverSent(failed(more))).toBe(false);
});

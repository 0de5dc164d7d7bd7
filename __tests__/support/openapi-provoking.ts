import type { ApiOperation } from './openapi-document.ts';
import type { Sent } from './openapi-exchange.ts';

/** What the chain that is asked is like. */
interface Cluster {
  /** As it is in force. */
  readonly topology: object;
  readonly limits: { readonly keyBytes: number; readonly valueBytes: number; readonly batchBytes: number };
}

/** Bytes that are not UTF-8. */
const NO_TEXT = Buffer.from([0xff]);

/** Requests to an operation that have it answered as its examples have not, in order. */
export function provoking(
  { operationId: id, method, path }: ApiOperation,
  { topology, limits }: Cluster,
): readonly Partial<Sent>[] {
  const at = (key: string, query = ''): string => `${path.replace('{key}', key)}${query && `?${query}`}`;
  const expired = { target: at('once', 'request-id=catena-1-1-0') };
  const reused = [
    { target: at(`once-${id}`, `request-id=once-${id}`) },
    { target: at(`twice-${id}`, `request-id=once-${id}`) },
  ];
  const json = { 'Content-Type': 'application/json' };
  const long = 'x'.repeat(limits.valueBytes + 1);
  switch (id) {
    case 'getValue':
    case 'headGetValue':
      return [
        { target: at('absent') },
        { target: at('greeting'), headers: { 'If-None-Match': '*' } },
        { target: at('greeting'), headers: { Accept: 'text/plain' } },
      ];
    case 'setValue':
    case 'setValueByPost':
      return [
        { target: at(`new-${id}`, 'ttl=100') },
        { target: at(`new-${id}`, 'ttl=100'), headers: { 'If-None-Match': '*' } },
        { target: at('bad'), headers: json, body: '{' },
        { target: at('bad'), body: NO_TEXT },
        { target: at('bad'), headers: { 'If-Match': '*', 'If-None-Match': '*' } },
        { target: at('long'), body: long },
        ...reused,
        expired,
      ];
    case 'deleteValue':
      return [
        { target: at('absent'), headers: { 'If-Match': '"1"' } },
        { headers: { 'If-Match': '"1"', 'If-None-Match': '*' } },
        ...reused,
        expired,
      ];
    case 'incrementValue':
      return [
        { target: at('new-setValue') },
        { target: at('large', `by=${Number.MAX_SAFE_INTEGER}`) },
        { target: at('large') },
        ...reused,
        expired,
      ];
    case 'expireValue':
      return [{ target: at('absent') }, ...reused, expired];
    case 'listKeys':
      return [{ target: '/keys?values=true&limit=3' }];
    case 'watchKeys':
      return [{ target: '/watch?since=0', untilEvent: true }];
    case 'batch':
      return batchesThatProvoke(expired, limits);
    case 'putTopology':
      return [
        { body: '{}' },
        { body: NO_TEXT },
        { target: '/topology?dry-run=x' },
        { headers: { 'If-Match': '"1"', 'If-None-Match': '*' } },
        { body: ' '.repeat(1_048_577) },
        { headers: { 'If-Match': '"999"' }, body: JSON.stringify({ ...topology, name: 'other' }) },
        { body: JSON.stringify({ ...topology, durability: 'memory' }) },
      ];
    case 'force':
      return [{ target: '/force?survivor=n9&confirm=data-may-be-lost' }, { target: '/force?survivor=n9' }];
    default:
      if (method === 'GET' || method === 'HEAD') return [];
      throw new Error(`nothing is known that provokes ${id}`);
  }
}

function batchesThatProvoke(expired: Partial<Sent>, limits: Cluster['limits']): readonly Partial<Sent>[] {
  const batch = (...operations: object[]) => JSON.stringify({ operations });
  const set = { op: 'set', key: 'a', value: 'text', contentType: 'text/plain' };
  const failing = [
    { op: 'check', key: 'a', version: 1 },
    { op: 'increment', key: 'a' },
    { op: 'expire', key: 'absent' },
    { op: 'increment', key: 'large' },
  ];
  return [
    { body: batch(set) },
    ...failing.map((operation) => ({ body: batch(set, operation) })),
    { body: JSON.stringify({ atomic: false, operations: [...failing, { op: 'get', key: 'absent' }] }) },
    { body: batch({ op: 'set', key: 'bytes', value: '/w==', encoding: 'base64', ttl: 100 }) },
    { body: batch(set, { op: 'get', key: 'bytes' }), target: '/batch?request-id=batch' },
    { body: batch(set, { op: 'get', key: 'bytes' }), target: '/batch?request-id=batch' },
    { body: batch(set), target: '/batch?request-id=batch' },
    { ...expired, body: batch(set) },
    { body: '{' },
    { body: batch({ ...set, key: '' }) },
    { body: batch({ ...set, value: '/w==', encoding: 'base64' }) },
    { body: batch({ ...set, key: 'x'.repeat(limits.keyBytes + 1) }) },
    { body: batch({ ...set, value: 'x'.repeat(limits.valueBytes + 1) }) },
    { body: batch({ ...set, value: 'x'.repeat(limits.batchBytes + 1) }) },
  ];
}

import type { Condition, Operation } from '../../src/protocol/command.ts';
import { isWrite } from '../../src/protocol/command.ts';
import type { Asked } from '../../src/simulator/history.ts';

/** A request as INTERFACE.md has it, without where it goes. */
export interface HttpRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
}

/** Whether the call can change anything. */
export function writes(asked: Asked): boolean {
  return asked.kind === 'operations' && asked.operations.some(isWrite);
}

/** Whether it is a single request; a check alone can only be asked for in a batch. */
export function isSingle(asked: Asked): asked is Extract<Asked, { kind: 'operations' }> {
  return asked.kind === 'operations' && asked.operations.length === 1 && asked.operations[0]?.op !== 'check';
}

/** How a call is asked for over HTTP. */
export function requestFor(asked: Asked): HttpRequest {
  if (asked.kind === 'page') {
    const after = asked.after === null ? '' : `&after=${encodeURIComponent(asked.after)}`;
    const path = `/keys?prefix=${encodeURIComponent(asked.prefix)}&limit=${asked.limit}${after}`;
    return { method: 'GET', path, headers: {}, body: null };
  }
  const [first] = asked.operations;
  return first !== undefined && isSingle(asked) ? singleRequest(first) : batchRequest(asked);
}

function singleRequest(operation: Operation): HttpRequest {
  const key = encodeURIComponent(operation.key);
  switch (operation.op) {
    case 'get':
      return { method: 'GET', path: `/get/${key}`, headers: { accept: 'text/plain' }, body: null };
    case 'set':
      return {
        method: 'PUT',
        path: `/set/${key}${ttlQuery(operation.ttlMs)}`,
        headers: { ...conditionHeaders(operation.condition), ...typeHeader(operation.value.contentType) },
        body: Buffer.from(operation.value.bytes, 'latin1'),
      };
    case 'delete':
      return {
        method: 'DELETE',
        path: `/delete/${key}`,
        headers: conditionHeaders(operation.condition),
        body: null,
      };
    case 'increment':
      return { method: 'POST', path: `/increment/${key}?by=${operation.by}`, headers: {}, body: null };
    case 'expire':
      return { method: 'POST', path: `/expire/${key}${ttlQuery(operation.ttlMs)}`, headers: {}, body: null };
    case 'check':
      return batchRequest({ kind: 'operations', atomic: true, operations: [operation] });
  }
}

function batchRequest({ atomic, operations }: Extract<Asked, { kind: 'operations' }>): HttpRequest {
  const body = JSON.stringify({ atomic, operations: operations.map(batchOperation) });
  return {
    method: 'POST',
    path: '/batch',
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(body),
  };
}

function batchOperation(operation: Operation): object {
  const { op, key } = operation;
  switch (operation.op) {
    case 'set': {
      const { bytes, contentType } = operation.value;
      const base64 = Buffer.from(bytes, 'latin1').toString('base64');
      const ttl = operation.ttlMs === null ? {} : { ttl: operation.ttlMs / 1000 };
      return {
        op,
        key,
        value: base64,
        encoding: 'base64',
        contentType: contentType === '' ? 'text/plain' : contentType,
        ...ttl,
        ...ifVersion(operation.condition),
      };
    }
    case 'delete':
      return { op, key, ...ifVersion(operation.condition) };
    case 'increment':
      return { op, key, by: operation.by };
    case 'expire':
      return { op, key, ttl: operation.ttlMs === null ? null : operation.ttlMs / 1000 };
    case 'get':
      return { op, key };
    case 'check':
      return { op, key, version: operation.version };
  }
}

/** Batches know versions alone, 0 for absent. */
function ifVersion(condition: Condition | null): object {
  return condition?.kind === 'version' ? { ifVersion: condition.version } : {};
}

function conditionHeaders(condition: Condition | null): Record<string, string> {
  switch (condition?.kind) {
    case undefined:
      return {};
    case 'version':
      return { 'if-match': `"${condition.version}"` };
    case 'exists':
      return { 'if-match': '*' };
    case 'absent':
      return { 'if-none-match': '*' };
  }
}

function typeHeader(contentType: string): Record<string, string> {
  return contentType === '' ? {} : { 'content-type': contentType };
}

function ttlQuery(ttlMs: number | null): string {
  return ttlMs === null ? '' : `?ttl=${ttlMs / 1000}`;
}

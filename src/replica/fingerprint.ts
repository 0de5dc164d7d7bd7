import { crc32 } from 'node:zlib';
import { unreachable } from '../base/assert.ts';
import { type Command, type Condition, type Operation, operationsOf } from '../protocol/command.ts';

/** Values longer than this (in bytes) are summed where they lie instead of being copied behind what describes them. */
const COPIED_BYTES_MAX = 4096;

/**
 * 32 bits that tell a retry from another command under the same request id: the CRC-32 of every field that matters, each
 * so written that no two commands read alike. It lies in snapshots: what it gives for a command never changes.
 */
export function fingerprintOf(command: Command): number {
  let sum = command.kind === 'single' ? 0 : crc32(describeKind(command));
  for (const operation of operationsOf(command)) sum = addOperation(sum, operation);
  return sum;
}

function describeKind(command: Command): string {
  return command.kind === 'batch'
    ? `batch ${command.atomic} ${command.operations.length};`
    : `${command.kind};`;
}

function addOperation(sum: number, operation: Operation): number {
  const text = describe(operation);
  if (operation.op !== 'set') return crc32(text, sum);
  const { bytes } = operation.value;
  return bytes.length <= COPIED_BYTES_MAX ? crc32(text + bytes, sum) : crc32(bytes, crc32(text, sum));
}

/** Texts that may hold anything go behind their lengths. */
function describe(operation: Operation): string {
  const { op, key } = operation;
  const start = `${op} ${key.length} ${key}`;
  switch (operation.op) {
    case 'set': {
      const { bytes, contentType } = operation.value;
      return `${start} ${contentType.length} ${contentType} ${operation.ttlMs} ${describeCondition(operation.condition)} ${bytes.length} `;
    }
    case 'delete':
      return `${start} ${describeCondition(operation.condition)};`;
    case 'increment':
      return `${start} ${operation.by};`;
    case 'expire':
      return `${start} ${operation.ttlMs};`;
    case 'check':
      return `${start} ${operation.version};`;
    case 'get':
      return `${start};`;
    default:
      return unreachable(operation);
  }
}

function describeCondition(condition: Condition | null): string {
  if (condition === null) return 'any';
  return condition.kind === 'version' ? `version ${condition.version}` : condition.kind;
}

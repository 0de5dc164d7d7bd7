import { utf8Length } from '../base/utf8.ts';
import { type Command, operationsOf, type Value } from '../protocol/command.ts';
import { KEY_OVERHEAD_BYTES } from './keyspace.ts';
import type { Store } from './store.ts';

/** The most that an integer takes as text. */
const INTEGER_BYTES_MAX = 17;

/**
 * How many bytes a command could add to the store as it is now, negative when it frees some: what `storeBytes` is held
 * against before an entry is made. An estimate from above where one key stands in a batch twice.
 */
export function growthOf(command: Command, store: Store): number {
  let bytes = 0;
  for (const operation of operationsOf(command)) {
    const held = store.get(operation.key);
    const before = held ? bytesOf(operation.key, held.value) : 0;
    switch (operation.op) {
      case 'set':
        bytes += bytesOf(operation.key, operation.value) - before;
        break;
      case 'increment':
        bytes += held
          ? INTEGER_BYTES_MAX - held.value.bytes.length
          : utf8Length(operation.key) + INTEGER_BYTES_MAX + KEY_OVERHEAD_BYTES;
        break;
      case 'delete':
        bytes -= before;
        break;
      default:
        break;
    }
  }
  return bytes;
}

function bytesOf(key: string, value: Value): number {
  return utf8Length(key) + value.bytes.length + value.contentType.length + KEY_OVERHEAD_BYTES;
}

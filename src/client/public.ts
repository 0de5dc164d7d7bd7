/** What programs may import beside `connect`: the types, and the errors by their classes. */

// biome-ignore lint/performance/noBarrelFile: it is a face of the package, which nothing within it imports
export {
  CatenaError,
  type CatenaErrorCode,
  Gone,
  InvalidRequest,
  NotAnInteger,
  OutcomeUnknown,
  OutOfRange,
  PreconditionFailed,
  type Problem,
  Replayed,
  StoreFull,
  Unavailable,
} from './errors.ts';
export { ReplyError } from './redis-like-arguments.ts';
export type { RedisBuffer, RedisKey, RedisKeys, RedisLike, RedisValue } from './redis-like-words.ts';
export type {
  Batch,
  CallOptions,
  Catena,
  ChainStatus,
  Change,
  DeleteOptions,
  Item,
  Json,
  KeysOptions,
  NodeState,
  SetOptions,
  Swapped,
  Value,
  Version,
  WatchOptions,
  Written,
} from './types.ts';

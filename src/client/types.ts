/// <reference lib="esnext.disposable" preserve="true" />

import type { RedisLike } from './redis-like-words.ts';

/** Anything that `JSON.stringify` keeps. A string is not sent as JSON but as text: it comes back as the same string either way. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [member: string]: Json | undefined };

/**
 * A value as a program has it: a string is stored as text, bytes as `application/octet-stream` (or the `contentType` given), anything
 * else as JSON. Each is read back as what was written.
 */
export type Value = string | Uint8Array | Json;

/** A version: higher is later; 0 stands for "absent" where one is asked for. */
export type Version = number;

/** A key with all that is known of it. */
export interface Item {
  readonly key: string;
  readonly value: Value;
  readonly version: Version;
  /** As it was stored; empty for text that came without one. */
  readonly contentType: string;
  /** What is left of its time, in seconds; `null` when it does not expire. */
  readonly expiresIn: number | null;
}

/** What any call may be given. */
export interface CallOptions {
  /** Gives the call up: it rejects with the signal's reason. A write may still take effect then. */
  readonly signal?: AbortSignal | undefined;
  /** The call is tried again until this has gone by, in ms; 10,000 unless `connect` was told else. */
  readonly deadlineMs?: number | undefined;
}

/** How a write is to be made. At most one of the conditions. */
export interface SetOptions extends CallOptions {
  /** Seconds to live, fractions allowed; for ever unless given. */
  readonly ttl?: number | undefined;
  /** Of bytes: `application/octet-stream` unless given. Of strings: none unless given. */
  readonly contentType?: string | undefined;
  /** Only if the key has this version; 0: only if it is absent. */
  readonly ifVersion?: Version | undefined;
  /** Only if the key is absent. */
  readonly ifAbsent?: boolean | undefined;
  /** Only if the key is there. */
  readonly ifPresent?: boolean | undefined;
}

/** How a delete is to be made. */
export interface DeleteOptions extends CallOptions {
  /** Only if the key has this version. */
  readonly ifVersion?: Version | undefined;
}

/** What a write gave. */
export interface Written {
  readonly version: Version;
  /** The key was not there before. */
  readonly created: boolean;
}

/** What a check-and-set gave: `swapped: false` changed nothing, and `version` is then the one that is there (0: absent). */
export interface Swapped {
  readonly swapped: boolean;
  readonly version: Version;
}

/** Which keys, in the order of their UTF-8 bytes. */
export interface KeysOptions extends CallOptions {
  /** Those that begin with this; all unless given. */
  readonly prefix?: string | undefined;
  /** Those behind this one. */
  readonly after?: string | undefined;
  /** How many are asked for at a time, 1 to 1000; 500 unless given. */
  readonly pageSize?: number | undefined;
}

/** Which changes. */
export interface WatchOptions {
  /** Of keys that begin with this; all unless given. */
  readonly prefix?: string | undefined;
  /** Those after this version; those from now on unless given. */
  readonly since?: Version | undefined;
  /** Ends the watch: the iterator is done. */
  readonly signal?: AbortSignal | undefined;
  /** A stream on which nothing comes for so long, not even the server's sign of life every 15 s, is taken for lost, in ms; 40,000 unless given. */
  readonly silenceMs?: number | undefined;
}

/** A change that is committed. */
export type Change =
  | {
      readonly kind: 'set';
      readonly key: string;
      readonly version: Version;
      readonly value: Value;
      readonly contentType: string;
    }
  /** `expire`: its time was up. */
  | { readonly kind: 'delete' | 'expire'; readonly key: string; readonly version: Version };

/** The chain as a client sees it. */
export interface ChainStatus {
  readonly epoch: number;
  /** Head first. */
  readonly members: readonly string[];
  /** Who is being given a copy, to become the tail; `null` when nobody is. */
  readonly joiner: string | null;
  /** What each node of the topology says of itself (`GET /status`); `null` for one that does not answer. */
  readonly nodes: Readonly<Record<string, NodeState | null>>;
}

/** What `GET /status` of a node says: the members that its interface fixes, and more. */
export interface NodeState {
  readonly node: string;
  readonly role: string;
  readonly epoch: number;
  readonly received: Version;
  readonly durable: Version;
  readonly committed: Version;
  readonly keys: number;
  readonly [more: string]: unknown;
}

/**
 * A connection to a chain. Calls made in the same turn travel together. Each is tried again until it is answered or its
 * deadline has passed, a write under one id, so that it takes effect once; a failover is a delay.
 *
 * Every call may reject with a `CatenaError`; `code` says which. `OutcomeUnknown` is one of a write whose deadline passed while it was
 * under way.
 */
export interface Catena {
  /** The value; `undefined` when there is no such key. */
  get(key: string, options?: CallOptions): Promise<Value | undefined>;
  /** The same with version, type and expiry. */
  getItem(key: string, options?: CallOptions): Promise<Item | undefined>;
  /** The values of up to 1000 keys at one instant, in the order asked for. */
  getMany(keys: readonly string[], options?: CallOptions): Promise<(Value | undefined)[]>;
  /** @throws PreconditionFailed when its condition does not hold. */
  set(key: string, value: Value, options?: SetOptions): Promise<Written>;
  /** Up to 1000 keys, all of them or none, at one instant. @returns their version; 0 when none is given. */
  setMany(
    entries: Readonly<Record<string, Value>> | Iterable<readonly [string, Value]>,
    options?: CallOptions & { readonly ttl?: number | undefined },
  ): Promise<Version>;
  /** Sets the key if it has this version (0: is absent), and says whether it did. */
  checkAndSet(
    key: string,
    expected: Version,
    value: Value,
    options?: CallOptions & { readonly ttl?: number | undefined; readonly contentType?: string | undefined },
  ): Promise<Swapped>;
  /** @returns whether it was there. @throws PreconditionFailed when its condition does not hold. */
  delete(key: string, options?: DeleteOptions): Promise<boolean>;
  /** Adds to an integer; an absent key counts as 0. @returns the sum. @throws NotAnInteger; OutOfRange beyond ±(2⁵³−1). */
  increment(key: string, by?: number, options?: CallOptions): Promise<number>;
  /** Sets the time to live in seconds, or with `null` lifts it. @returns `false` when there is no such key. */
  expire(key: string, ttl: number | null, options?: CallOptions): Promise<boolean>;
  /** The keys, page by page as they are taken: not at one instant. */
  keys(options?: KeysOptions): AsyncIterableIterator<string>;
  /** The same with their values. */
  items(options?: KeysOptions): AsyncIterableIterator<Item>;
  /** Operations that take effect at one instant, all or none: `await db.batch().check('a', 3).set('b', 1).commit()`. */
  batch(): Batch<[]>;
  /** Committed changes in order, each once; it goes on by itself when the connection or the node is lost. @throws Gone when `since` is no longer held. */
  watch(options?: WatchOptions): AsyncIterableIterator<Change>;
  status(options?: CallOptions): Promise<ChainStatus>;
  /** The words of ioredis, for programs that speak those: docs/redis-like.md. `options` go with every call. */
  redisLike(options?: CallOptions): RedisLike;
  /** Closes the connections. Calls under way reject. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Operations to take effect together. Each adds the type of its result to that of `commit`. Immutable: each returns a new one. */
export interface Batch<Results extends readonly unknown[]> {
  get(key: string): Batch<[...Results, Value | undefined]>;
  set(
    key: string,
    value: Value,
    options?: {
      readonly ttl?: number | undefined;
      readonly contentType?: string | undefined;
      readonly ifVersion?: Version | undefined;
      readonly ifAbsent?: boolean | undefined;
    },
  ): Batch<[...Results, Written]>;
  delete(key: string, options?: { readonly ifVersion?: Version | undefined }): Batch<[...Results, boolean]>;
  increment(key: string, by?: number): Batch<[...Results, number]>;
  expire(key: string, ttl: number | null): Batch<[...Results, undefined]>;
  /** Holds if the key has this version (0: is absent). */
  check(key: string, version: Version): Batch<[...Results, undefined]>;
  /**
   * All of them or none. A batch that was retried after it had taken effect has no value for its `get`s beside writes: it rejects with
   * `Replayed`, which has all other results.
   *
   * @throws PreconditionFailed, NotAnInteger and such, with the `index` of the operation that failed; nothing was done.
   */
  commit(options?: CallOptions): Promise<Results>;
}

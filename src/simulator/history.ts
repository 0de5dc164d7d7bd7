import type { ErrorCode } from '../base/errors.ts';
import type { Operation } from '../protocol/command.ts';

/**
 * One call of a client: a logical operation with all its retries under one request id. Calls whose attempts were all
 * provably without effect, and reads that got no answer, have no place in a history. Times are in ms of one clock.
 */
export interface Call {
  readonly client: string;
  readonly asked: Asked;
  readonly calledAtMs: number;
  /** `null`: never answered, or with "outcome unknown": it may take effect at any time after the call, or never. */
  readonly answer: { readonly told: Told; readonly atMs: number } | null;
}

/** What a client asked for. */
export type Asked =
  /** A single request is one operation. `atomic`: all or none; else each operation stands alone. */
  | { readonly kind: 'operations'; readonly atomic: boolean; readonly operations: readonly Operation[] }
  | {
      readonly kind: 'page';
      readonly prefix: string;
      readonly after: string | null;
      readonly limit: number;
    };

/** What a client was told. Whatever the answer did not say is `null`, and then not checked. */
export type Told =
  /** One result per operation. `version` is the seq of the entry; it means nothing where nothing was to be written. */
  | { readonly kind: 'done'; readonly version: number | null; readonly results: readonly ToldResult[] }
  /** Nothing changed: the operation at `index` failed; `version` is what its key had (0: absent). */
  | {
      readonly kind: 'refused';
      readonly index: number;
      readonly code: ErrorCode;
      readonly version: number | null;
    }
  | {
      readonly kind: 'page';
      readonly keys: readonly { readonly key: string; readonly version: number }[];
      readonly next: string | null;
    };

/** What a client was told of one operation; mirrors `OperationResult`. */
export type ToldResult =
  | { readonly kind: 'set'; readonly created: boolean }
  | { readonly kind: 'deleted'; readonly deleted: boolean }
  | { readonly kind: 'incremented'; readonly value: number }
  | { readonly kind: 'expiry'; readonly version: number | null }
  /** `null`: the key is absent. `undefined`: the remembered outcome of a retry, which keeps no values and says nothing. */
  | { readonly kind: 'got'; readonly record: ToldRecord | null | undefined }
  | { readonly kind: 'checked' }
  /** Of a batch that is not atomic. `version` is what the key had (0: absent). */
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly version: number | null };

/** A value as it was read. */
export interface ToldRecord {
  /** One byte per character, as in `Value`. */
  readonly bytes: string;
  readonly contentType: string | null;
  readonly version: number | null;
}

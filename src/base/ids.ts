declare const nodeBrand: unique symbol;
declare const storeBrand: unique symbol;
declare const epochBrand: unique symbol;
declare const seqBrand: unique symbol;
declare const requestBrand: unique symbol;

/** The name of a node or a coordinator in the topology, such as `n1`. */
export type NodeId = string & { readonly [nodeBrand]: true };
/** The random name of a data directory, made with it. */
export type StoreId = string & { readonly [storeBrand]: true };
/** The number of a configuration: 1, 2, 3 ...; 0 stands for "none yet". */
export type Epoch = number & { readonly [epochBrand]: true };
/** The place of an entry in the log, counted from 1 without gaps; 0 stands for "before the first". */
export type Seq = number & { readonly [seqBrand]: true };
/** What makes a write take effect once: the client's `Idempotency-Key`, or a name that the head made. */
export type RequestId = string & { readonly [requestBrand]: true };

/** Takes a text for the name of a node; whether the topology has it is checked elsewhere. */
export const nodeId = (text: string): NodeId => text as NodeId;
/** Takes a text for the name of a data directory. */
export const storeId = (text: string): StoreId => text as StoreId;
/** Takes a number for an epoch. */
export const epoch = (number: number): Epoch => number as Epoch;
/** Takes a number for a place in the log. */
export const seq = (number: number): Seq => number as Seq;
/** Takes a text for a request id; its length is checked where it comes in. */
export const requestId = (text: string): RequestId => text as RequestId;

/** Before the first configuration. */
export const NO_EPOCH = epoch(0);
/** Before the first entry. */
export const NO_SEQ = seq(0);

/** The seq that follows. */
export const next = (after: Seq): Seq => (after + 1) as Seq;

/** The earlier of two places in the log. */
export const earlier = (a: Seq, b: Seq): Seq => Math.min(a, b) as Seq;
/** The later of two places in the log. */
export const later = (a: Seq, b: Seq): Seq => Math.max(a, b) as Seq;

import { type Seq, seq } from '../base/ids.ts';
import type { Entry } from '../protocol/entry.ts';
import {
  type Append,
  type CommittedAnswer,
  type Message,
  PROTOCOL_VERSION,
  type SnapshotData,
} from '../protocol/messages.ts';
import { ByteReader, ByteWriter, badFrame } from './bytes.ts';
import { decodeEntries, encodeEntry } from './entry-codec.ts';
import { encodeFrame, FRAME_BYTES_MAX, type Frame, FrameDecoder } from './frame.ts';
import { parseJson } from './json.ts';
import { type JsonMessage, messageShapes } from './protocol-shapes.ts';

const APPEND_FRAME = 1;
const ACK_FRAME = 2;
const JSON_FRAME = 3;
const PART_FRAME = 4;
const STORED_FRAME = 5;
/** Of those that carry an id and nothing else. */
const ID_FRAMES = { probe: 6, grant: 7, confirm: 8, 'committed-query': 9 } as const;
const COMMITTED_ANSWER_FRAME = 10;

/** Beyond this an `Append` is cut into several: a frame is taken only whole, and the receiver holds it until then. */
const APPEND_BYTES_MAX = 8 * 1024 * 1024;
/** The longest message that travels as JSON, in bytes. */
const JSON_BYTES_MAX = 4 * 1024 * 1024;
/** A part is kept in a file with its rows as a u32. */
const ROWS_MAX = 2 ** 32 - 1;

/**
 * The chunks of a message, to be sent one behind the other. Entries go in as their memoised bytes, not copied, and so do parts. An `Append`
 * with more than 8 MiB of entries becomes several of the same meaning.
 */
export function encodeMessage(message: Message): Uint8Array[] {
  switch (message.kind) {
    case 'append':
      return encodeAppend(message);
    case 'ack':
      return numbersFrame(ACK_FRAME, message.committed);
    case 'snapshot-part':
      return partFrame(message);
    case 'snapshot-stored':
      return numbersFrame(STORED_FRAME, message.next);
    case 'probe':
    case 'grant':
    case 'confirm':
    case 'committed-query':
      return numbersFrame(ID_FRAMES[message.kind], message.id);
    case 'committed-answer':
      return numbersFrame(COMMITTED_ANSWER_FRAME, message.id, message.committed);
    default:
      return encodeFrame(JSON_FRAME, [Buffer.from(JSON.stringify(message))]);
  }
}

/** Takes what `encodeMessage` makes, in chunks of any size. */
export class MessageDecoder {
  readonly #frames: FrameDecoder;

  constructor(options: { frameBytesMax?: number } = {}) {
    this.#frames = new FrameDecoder({ frameBytesMax: options.frameBytesMax ?? FRAME_BYTES_MAX });
  }

  /**
   * The messages that these bytes complete. Entries and parts may keep views on the bytes, which must not be changed any more.
   *
   * @throws CatenaError BAD_FRAME: close the connection, it can't be followed any further.
   */
  push(bytes: Uint8Array): Message[] {
    return this.#frames.push(bytes).map(decodeFrame);
  }
}

function encodeAppend(message: Append): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let entries: Entry[] = [];
  let bytes = 0;
  for (const entry of message.entries) {
    const { length } = encodeEntry(entry);
    const last = entries.at(-1);
    if (last !== undefined && bytes + length > APPEND_BYTES_MAX) {
      chunks.push(...appendFrame(upTo(message, entries, last.seq)));
      entries = [];
      bytes = 0;
    }
    entries.push(entry);
    bytes += length;
  }
  chunks.push(...appendFrame({ ...message, entries }));
  return chunks;
}

/** A first part of an `Append`. Its watermarks stay within what has been sent by its end. */
function upTo(message: Append, entries: readonly Entry[], last: Seq): Append {
  const upstreamDurable = seq(Math.min(message.upstreamDurable, last));
  const committed = seq(Math.min(message.committed, last));
  return { kind: 'append', entries, upstreamDurable, committed };
}

function appendFrame({ entries, upstreamDurable, committed }: Append): Uint8Array[] {
  const writer = new ByteWriter(24);
  writer.varint(upstreamDurable);
  writer.varint(committed);
  writer.varint(entries.length);
  return encodeFrame(APPEND_FRAME, [writer.finish(), ...entries.map(encodeEntry)]);
}

/** A part's bytes go in as they were read from the disk. */
function partFrame({ place, rows, payload }: SnapshotData): Uint8Array[] {
  const writer = new ByteWriter(16);
  writer.varint(place);
  writer.varint(rows);
  return encodeFrame(PART_FRAME, [writer.finish(), payload]);
}

function numbersFrame(type: number, ...numbers: readonly number[]): Uint8Array[] {
  const writer = new ByteWriter(16);
  for (const number of numbers) writer.varint(number);
  return encodeFrame(type, [writer.finish()]);
}

function decodeFrame({ type, payload }: Frame): Message {
  switch (type) {
    case APPEND_FRAME:
      return decodeAppend(payload);
    case ACK_FRAME:
      return { kind: 'ack', committed: seq(onlyNumber(payload)) };
    case JSON_FRAME:
      return decodeJson(payload);
    case PART_FRAME:
      return decodePart(payload);
    case STORED_FRAME:
      return { kind: 'snapshot-stored', next: onlyNumber(payload) };
    case ID_FRAMES.probe:
      return { kind: 'probe', id: onlyNumber(payload) };
    case ID_FRAMES.grant:
      return { kind: 'grant', id: onlyNumber(payload) };
    case ID_FRAMES.confirm:
      return { kind: 'confirm', id: onlyNumber(payload) };
    case ID_FRAMES['committed-query']:
      return { kind: 'committed-query', id: onlyNumber(payload) };
    case COMMITTED_ANSWER_FRAME:
      return decodeCommittedAnswer(payload);
    default:
      throw badFrame(`no such frame: ${type}`);
  }
}

function decodeAppend(payload: Buffer): Append {
  const reader = new ByteReader(payload);
  const upstreamDurable = seq(reader.varint());
  const committed = seq(reader.varint());
  const count = reader.varint();
  const entries = decodeEntries(payload, reader.offset, count);
  return { kind: 'append', entries, upstreamDurable, committed };
}

/** Its rows are looked at where they are stored: what they cost is paid there, a slice at a time. */
function decodePart(payload: Buffer): SnapshotData {
  const reader = new ByteReader(payload);
  const place = reader.varint();
  const rows = reader.varint();
  if (rows === 0 || rows > ROWS_MAX) throw badFrame(`a part of a snapshot with ${rows} rows`);
  return { kind: 'snapshot-part', place, rows, payload: payload.subarray(reader.offset) };
}

function decodeCommittedAnswer(payload: Buffer): CommittedAnswer {
  const reader = new ByteReader(payload);
  const id = reader.varint();
  const committed = seq(reader.varint());
  ended(reader);
  return { kind: 'committed-answer', id, committed };
}

function onlyNumber(payload: Buffer): number {
  const reader = new ByteReader(payload);
  const number = reader.varint();
  ended(reader);
  return number;
}

function ended(reader: ByteReader): void {
  if (!reader.done) throw badFrame('a message is longer than its fields');
}

function decodeJson(payload: Buffer): JsonMessage {
  if (payload.length > JSON_BYTES_MAX) throw badFrame(`a message of ${payload.length} bytes`);
  const message = parseJson(payload) as { kind?: unknown; protocolVersion?: unknown } | null;
  const kind = message?.kind;
  if (typeof kind !== 'string' || !Object.hasOwn(messageShapes, kind)) {
    throw badFrame('a message of no known kind');
  }
  try {
    messageShapes[kind as JsonMessage['kind']](message, kind);
  } catch (error) {
    const version = message?.protocolVersion ?? PROTOCOL_VERSION;
    if (version === PROTOCOL_VERSION) throw error;
    throw badFrame(`the other end speaks protocol version ${version}, this one ${PROTOCOL_VERSION}`, error);
  }
  return message as unknown as JsonMessage;
}

/** Locked by the process that owns the data directory. Like all paths here, relative to that directory. */
export const LOCK_PATH = 'LOCK';
/** Who the directory is, and what it was told. */
export const META_PATH = 'meta';
/** Holds the segments of the log. */
export const LOG_DIRECTORY = 'log';
/** Holds the snapshot, and for a moment two. */
export const SNAPSHOT_DIRECTORY = 'snapshots';
/** The end of the name of a file that is not finished: found at a start, it is removed. */
export const UNFINISHED = '.new';
/** A snapshot that comes from a neighbour, until it is whole. */
export const INCOMING_PATH = `${SNAPSHOT_DIRECTORY}/incoming${UNFINISHED}`;
/** Written to find out whether the disk takes anything. */
export const PROBE_PATH = `probe${UNFINISHED}`;
/** What the names of directories begin with that hold the damaged files of a store that was given up. */
export const DAMAGED_PREFIX = 'damaged-';

const LOG_NAME = /^(\d{12})\.log$/;
const SNAPSHOT_NAME = /^(\d{16})\.snapshot$/;

/** Segments are numbered from 1 in the order they were made. */
export function segmentPath(number: number): string {
  return `${LOG_DIRECTORY}/${String(number).padStart(12, '0')}.log`;
}

/** A snapshot is named by the seq of its last entry. */
export function snapshotPath(seq: number): string {
  return `${SNAPSHOT_DIRECTORY}/${String(seq).padStart(16, '0')}.snapshot`;
}

/** The number of the segment that has this name in the log's directory; `null` if it is another file. */
export function segmentNumberOf(name: string): number | null {
  return numberIn(LOG_NAME, name);
}

/** The seq of the snapshot that has this name in the snapshots' directory; `null` if it is another file. */
export function snapshotSeqOf(name: string): number | null {
  return numberIn(SNAPSHOT_NAME, name);
}

function numberIn(pattern: RegExp, name: string): number | null {
  const match = pattern.exec(name);
  return match === null ? null : Number(match[1]);
}

import type { CatenaError } from '../base/errors.ts';

/** What a node can't go on after, as long as this start of it lives. */
export interface Trouble {
  /** `DISK_FULL`, `DISK_FAILED`: it is sick, and serves what it holds. Else it is broken. */
  readonly code: 'DISK_FULL' | 'DISK_FAILED' | 'CORRUPT' | 'BROKEN';
  /** What, and what becomes of it or what people have to do. */
  readonly reason: string;
}

/** What an error of the disk means for the node. */
export function troubleOf(error: CatenaError): Trouble {
  const what = withoutStop(error.message);
  switch (error.code) {
    case 'DISK_FULL':
      return {
        code: error.code,
        reason: `${what}. This node writes nothing more, and starts anew by itself when the disk takes data again`,
      };
    case 'DISK_FAILED':
      return {
        code: error.code,
        reason: `${what}. A disk that failed can't be trusted, so this node writes nothing more: replace the disk, or empty the data directory once the chain does without this node, and start it again`,
      };
    case 'CORRUPT':
      // It says itself what becomes of it.
      return { code: error.code, reason: error.message };
    default:
      return { code: 'BROKEN', reason: `${what}. Start this node again` };
  }
}

/** What it means that the replica itself found its log to be wrong, or can't go on for a reason of its own. */
export function failureOf(code: 'CORRUPT' | 'BROKEN', reason: string): Trouble {
  if (code === 'BROKEN') return { code, reason: `${withoutStop(reason)}. Start this node again` };
  return {
    code,
    reason: `${withoutStop(reason)}. This node takes no part; when the chain has dropped it, it moves its files into a directory "damaged-" and the date, inside its data directory, and joins again empty`,
  };
}

/** Whether a replica with this trouble still serves what it holds. */
export function isSickness({ code }: Trouble): boolean {
  return code === 'DISK_FULL' || code === 'DISK_FAILED';
}

function withoutStop(text: string): string {
  return text.replace(/[.\s]+$/, '');
}

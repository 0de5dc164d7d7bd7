import { CatenaError } from '../base/errors.ts';
import type { Disk } from '../ports/disk.ts';
import { META_PATH } from './paths.ts';

/** Where in a data directory something was found. */
export interface Place {
  readonly disk: Disk;
  readonly path: string;
  /** In bytes from the beginning of the file. */
  readonly offset: number;
}

/** The error for what no crash can have left: which file, where, and what becomes of it. */
export function corrupt({ disk, path, offset }: Place, what: string, cause?: unknown): CatenaError {
  return new CatenaError(
    'CORRUPT',
    `${disk.root}/${path} is damaged at byte ${offset}: ${what}. ` +
      (path === META_PATH ? metaAdvice(disk.root) : ADVICE),
    { cause },
  );
}

/** What is damaged, where and how, without what becomes of a node that needs it to start. */
export function damageOf({ message }: CatenaError): string {
  return message.replace(`. ${ADVICE}`, '');
}

const ADVICE =
  'This node takes no part, and its files stay as they are: every other ready member holds every acknowledged write. ' +
  'When the coordinator hears such a member it takes this node out of the chain; the node then moves its files into a ' +
  'directory "damaged-" and the date, inside its data directory, and joins again empty, filled from the others. ' +
  'If no other ready member is heard nothing is moved: start the others.';

/** Without `meta` the node can't say who it was, so nobody can tell it that it is no longer needed. */
function metaAdvice(root: string): string {
  return (
    'Without it this node does not know who it is, so it does not start, and the coordinator takes it out of the chain ' +
    'while another ready member is heard: those hold every acknowledged write. To bring it back, move all that is in ' +
    `${root} away and start it again: with the directory empty it joins as a new member, filled from the others.`
  );
}

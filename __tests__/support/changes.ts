import type { Seq } from '../../src/base/ids.ts';
import type { Change, RecentChanges } from '../../src/protocol/change.ts';

/** The changes of versions after this one, of those that are held. */
export function changesAfter(changes: RecentChanges, after: Seq): Change[] {
  const found: Change[] = [];
  for (let place = changes.placeAfter(after); place < changes.end; place++) found.push(changes.at(place));
  return found;
}

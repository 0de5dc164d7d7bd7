import { judgeAddresses } from './doctor-addresses.ts';
import { judgeCluster } from './doctor-cluster.ts';
import type { Finding, Judgement } from './doctor-judgement.ts';
import type { Seen } from './doctor-seen.ts';

/** Judges what was found. */
export function judge(seen: Seen): Judgement {
  const addresses = judgeAddresses(seen);
  const cluster = judgeCluster(seen);
  const told = [...addresses.faults, ...cluster.faults];
  const { faults, notes } = ranked(told);
  return {
    ok: faults.length === 0,
    use: addresses.use,
    places: addresses.places,
    urls: addresses.urls,
    required: addresses.required,
    faults,
    notes: [...notes, ...addresses.notes, ...cluster.notes],
  };
}

/** What only follows from other faults is a note beside them. */
function ranked(told: readonly Finding[]): { faults: readonly Finding[]; notes: readonly Finding[] } {
  const ill = new Set(
    told.flatMap((it) => ('process' in it && it.kind !== 'waits' ? [it.process.name] : [])),
  );
  const causes = told.filter((it) => it.kind !== 'waits' && it.kind !== 'chain-short');
  const follows = (finding: Finding): boolean =>
    (finding.kind === 'waits' && causes.length > 0) ||
    (finding.kind === 'chain-short' && finding.missing.every((node) => ill.has(node)));
  return { faults: told.filter((it) => !follows(it)), notes: told.filter(follows) };
}

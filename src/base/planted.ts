/**
 * Faults that tests plant in the real code, to see that the simulator and the checks find them: each is a condition at the line
 * that does it right. Nothing in `src` plants any; at most one is there at a time, and without a test there is none.
 */
export type PlantedFault = keyof typeof FAULTS;

let planted: PlantedFault | null = null;

/** Whether this fault is to be committed here. One comparison, for hot paths. */
export function isPlanted(fault: PlantedFault): boolean {
  return planted === fault;
}

/** Plants a fault in place of the one before, `null` none. For tests alone, which take it out again whatever happens. */
export function plant(fault: PlantedFault | null): void {
  planted = fault;
}

const FAULTS = {
  // --- PROTOCOL.md §11, in its order
  'commit-without-upstream':
    'The tail commits what is on its own disk alone. §3.3: committed = min(own durable, upstreamDurable).',
  'restart-keeps-epoch':
    'A process that starts passes for the incarnation before it, and takes part again in the epoch that it was in. §5: a process that starts is a new incarnation and takes no part until a configuration names it.',
  'no-lease':
    'Reads are served without a lease. §7: the tail serves a read from its store if its lease holds.',
  'no-floor': 'There is no readFloor. §7: ... and committed ≥ readFloor.',
  'own-floor-only':
    'The readFloor lacks what the predecessor had received at its Hello. §7: the higher of the two.',
  'told-floor-only':
    'The readFloor lacks what the replica itself had received at adoption. §7: the higher of the two.',
  'fence-only-in-its-epoch':
    'A replica that skips the epoch which raised the fence is not fenced. §7: adopting a configuration whose fence is above the epoch it held.',
  'no-fence': 'Nothing is ever fenced. §7: until then the tail commits nothing.',
  'no-fence-at-start': 'A start is not fenced. §7: starting up, or adopting a configuration whose fence ...',
  'hello-without-fence':
    'The rest of a fence stays with the predecessor. §7: a Hello hands the rest of the wait down.',
  'lease-from-grant':
    'A lease counts from when the grant came. §7: until its own sending time of that id + lease.',
  'lease-without-confirm':
    'Members above the tail take a lease when the grant passes them. §7: each replica that gets the Confirm holds a lease: a lease of a reader hangs on every other member, above and below it.',
  'left-to-unready':
    'Members are dropped though none of those left is ready. §6.2: a drop must leave at least one ready member that is heard from.',
  'sync-survives-truncation':
    'A sync that was under way at a truncation counts for what was dropped. §3: a truncation voids the sync in flight.',
  'head-answers-alone':
    'The head applies and answers what its own disk holds. §3.4: the head answers when the tail has committed and it applies the entry.',
  'durable-before-sync':
    'The driver reports entries as synced when it has handed them to the log. §2: durable is the last synced to its disk.',
  'snapshot-without-requests':
    'A snapshot lacks the requests that are remembered. §8: the windows are part of the store and its snapshot.',
  'expiry-by-own-clock':
    'A tick removes what is due by the wall clock of each replica. §9: applying it removes those keys on all replicas alike.',
  'stuck-before-first-ready':
    'Nobody is ready at the first start, and nobody is named in place unless a ready member is heard. §5: the members of the first configuration are ready from the start; §6.2: naming new incarnations in place needs no such member.',
  'floor-above-cut-log':
    'The readFloor stays above a log that Resume has cut. §7: lowered to after when Resume drops entries.',
  'last-ack-lost':
    'What a Welcome says to be committed is not heeded, and keep-alives do not repeat it. §4.2: from a member, this committed counts as an Ack.',
  'seal-not-lifted':
    'A seal stays until the chain is quiet. §6.5: a seal that is not quiet in time is lifted by a new epoch.',
  'joiner-not-struck-out':
    'A joiner that died keeps its place. §5: a joiner that dies, restarts or gets nowhere is struck out.',

  // --- other faults of replicas
  'dirty-read-not-asked':
    'A member serves a key that has entries above its committed without asking the tail. §7: for one that has, it asks the tail for committed.',
  'tick-not-dirty':
    'A pending tick does not count for the keys that expire. §7: a pending tick counts for every key that is due.',
  'stopped-still-serves':
    'A member that said that it has stopped serves reads. §6: having stopped, it serves no read until it adopts a later epoch.',
  'window-by-own-clock':
    'Requests are forgotten by the wall clock of each replica. §8: the windows are counted in log time, so the same on all.',
  'redirect-without-id':
    'A head that is deposed sends its clients away without their ids. §8: the redirect of a head that was deposed with the write in flight carries the id.',
  'lease-max-forgotten':
    'A start is fenced for the lease of the last configuration, not for the longest. §7: with the longest leaseMs of any configuration it has held (kept on disk).',
  'snapshot-not-of-one-instant':
    'A snapshot holds what was written while it was being made. §4.3: a snapshot records the epoch and seq of its last entry.',

  // --- faults of the coordinator
  'joiner-ready-at-once':
    'A member that was just appended counts as ready. §5: a member just appended is not yet ready.',
  'asked-counts-as-stopped':
    'A member that was asked to stop is dropped without a fence before it has confirmed. §6: fence is raised unless every dropped node has confirmed that it stopped.',
  'lost-register-without-leap':
    'A lost register goes on with the next epoch. §6.1: it goes on 2²⁰ epochs above, as the lost one may have chosen more than it told.',
  'told-before-saved':
    'A register is told while it is on its way to the disk. §6: synced before anything is told to anyone.',
  'register-failure-ignored':
    'A register that could not be saved is told. §6: synced before anything is told to anyone.',
  'register-not-lasting':
    'The register is renamed into place and its directory not synced. §6: synced before anything is told to anyone.',

  // --- faults of storage and drivers
  'log-not-synced': 'The log is not synced, and says that it is. §2: durable is the last synced to its disk.',
  'failed-sync-retried':
    'A sync that failed is tried again, and then trusted. §3: a sync that fails is never retried.',
  'segment-name-not-synced':
    'The directory is not synced when a segment of the log is made. §2: durable is the last synced to its disk.',
  'torn-record-taken':
    'A record is taken though its checksum does not match. §1: a bad record is the torn end and is cut off, or makes the replica corrupt.',
  'damage-cut-off':
    'A bad record that was synced is cut off like a torn end. §1: any other makes the replica corrupt.',
  'log-taken-as-committed':
    'A start takes all of its log as committed. §2: committed is the last it knows to be committed.',
  'recovered-not-synced':
    'What a killed process had not synced counts as durable when it is found again. §2: durable is the last synced to its disk.',
  'truncation-not-written':
    'A truncation is not written to the log. §4.3: the successor drops what it holds beyond.',
  'snapshot-not-synced':
    'A snapshot is renamed into place before it is synced, and the log behind it dropped. §1.2: an acknowledged write is on the disk of every member.',
  'log-dropped-early':
    'The log is dropped before the snapshot that stands for it is in force. §1.2: an acknowledged write is on the disk of every member.',
  'install-not-noted':
    'A snapshot from a neighbour is put in place of the log without a note that it is. §4.3: it streams a Snapshot instead and resumes from there.',
  'meta-not-lasting':
    'What a node was told is renamed into place and its directory not synced. §2: it syncs it to disk before it acts on it.',
  'boot-not-raised':
    'The boot count is not raised at a start. §2: a boot count, raised and synced at every start.',
  'damaged-refilled-in-place':
    'A damaged store begins anew, empty and under its old storeId, at once. §1: it refuses to serve and rejoins empty; §5: with another storeId, as the joiner.',
} as const;

/** What each fault breaks, and the sentence of PROTOCOL.md that says otherwise. */
export const PLANTED_FAULTS: Readonly<Record<PlantedFault, string>> = FAULTS;

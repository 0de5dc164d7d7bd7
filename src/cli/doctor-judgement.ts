import type { ClusterFinding, Named } from './doctor-cluster.ts';
import type { UrlStanding } from './doctor-redirects.ts';
import type { Catena, ProcessSeen, UrlFound, UrlSeen } from './doctor-seen.ts';

/** What is wrong, or worth knowing. Places count from 0. */
export type Finding = ClusterFinding | AddressFinding;

/** The same about the addresses, as they are seen from here. */
export type AddressFinding =
  /** Nothing at any URL is catena; `why` are those of one process. */
  | { readonly kind: 'nothing-answers'; readonly why: readonly UrlSeen[] }
  /**
   * `why` is its URL at the place that works best here. `namesKnown`: other names at that place are known. `runningAt` are the
   * URLs that the running cluster has for it, when the file has others.
   */
  | {
      readonly kind: 'no-answer';
      readonly process: Named;
      readonly why: UrlSeen;
      readonly heard: boolean | null;
      readonly namesKnown: boolean;
      readonly runningAt: readonly string[] | null;
    }
  /** A node that takes no part in the chain, and does not answer here. */
  | { readonly kind: 'no-part'; readonly process: Named }
  /**
   * `exchanged`: the URL at the same place of the process that answers leads to this one. `grave`: it does harm; else it is the
   * loopback of a container, and another URL serves.
   */
  | {
      readonly kind: 'wrong-process';
      readonly process: Named;
      readonly url: string;
      readonly found: Catena;
      readonly otherCluster: boolean;
      readonly exchanged: boolean;
      readonly grave: boolean;
      readonly runningAt: readonly string[] | null;
    }
  | VainRedirect
  /** Another place of the lists serves from here: this one needn't. `partly` are URLs there that answer and redirect in vain. */
  | {
      readonly kind: 'other-place';
      readonly place: number;
      readonly lacking: readonly UrlSeen[];
      readonly partly: readonly UrlStanding[];
    }
  | { readonly kind: 'peers'; readonly processes: readonly ProcessSeen[]; readonly all: boolean };

/** A redirect that leads nowhere. */
export interface VainRedirect {
  readonly kind: 'redirect-in-vain';
  readonly to: string;
  /** Where it leads. */
  readonly url: string;
  /** What is there; `null` when the file has no such URL for `to`. */
  readonly why: UrlFound | null;
  /** The URLs that send on to there. */
  readonly from: readonly string[];
  /** The place at which `to` has no URL, though those of `from` are there; `null` when that is not the reason. */
  readonly lacksPlace: number | null;
  /** Where `to` answers here; `null` when nowhere. */
  readonly answersAt: string | null;
}

/** All that can be said of a cluster from one place. */
export interface Judgement {
  /** Whether every process can be reached, redirects lead to where they should, and every node is well. */
  readonly ok: boolean;
  /** A base URL from which every redirect can be followed; `null` when there is none. */
  readonly use: { readonly url: string; readonly place: number; readonly whole: boolean } | null;
  /** For every place of the lists whether it serves from here for every node that answers at all. */
  readonly places: readonly boolean[];
  /** Every URL of the file. */
  readonly urls: readonly UrlStanding[];
  /** Those that requests may be sent to. */
  readonly required: readonly string[];
  readonly faults: readonly Finding[];
  readonly notes: readonly Finding[];
}

import type { NodeId } from '../base/ids.ts';
import type { NodeReport } from '../protocol/messages.ts';
import type { LinkId } from './events.ts';

/** What was heard of a node last. */
export interface Heard {
  /** The connection it came by; `null` once that is closed. */
  readonly link: LinkId | null;
  readonly report: NodeReport;
  /** When. */
  readonly atMs: number;
  /** Since when this incarnation has been reading its log; `null` when it isn't. */
  readonly recoveringSinceMs: number | null;
}

/** What a heartbeat was worth. */
export type Hearing =
  | {
      readonly kind: 'heard';
      /** The node's earlier connection, which this one takes the place of. */
      readonly replaced: LinkId | null;
      /** Nothing was known of this incarnation until now, or its connection had been lost. */
      readonly news: boolean;
    }
  /** It tells of the past, or of something else than its connection did before: it counts for nothing. */
  | { readonly kind: 'ignored'; readonly reason: string };

/** How long a node must have been silent before one of the same name on another store may speak for it, in ms. */
const TWIN_SILENT_MS = 2000;

/** Knows which nodes are heard, and what each said last. Each has one connection: the newest. */
export class FailureDetector {
  readonly #heard = new Map<NodeId, Heard>();
  readonly #nodeOf = new Map<LinkId, NodeId>();
  /** The first and the last of the knocks at its port that were refused, with none between that was not. */
  readonly #refused = new Map<NodeId, { readonly firstMs: number; readonly lastMs: number }>();

  hears(link: LinkId, report: NodeReport, nowMs: number): Hearing {
    const { node, storeId, boot } = report.incarnation;
    const last = this.#heard.get(node);
    const spokeFor = this.#nodeOf.get(link) ?? node;
    if (spokeFor !== node) return ignored(`a connection of ${spokeFor} spoke for ${node}`);
    if (last !== undefined && last.link !== null) {
      if (link < last.link) return ignored(`${node} has a newer connection`);
      const { incarnation } = last.report;
      if (incarnation.storeId === storeId && boot < incarnation.boot)
        return ignored(`${node} has restarted since`);
      // Two processes of one name would else take turns for ever; the first stays until it is silent.
      if (incarnation.storeId !== storeId && link !== last.link && nowMs - last.atMs < TWIN_SILENT_MS) {
        return ignored(`another process is ${node} already, on another data directory: stop one of them`);
      }
    }
    const recoveringSinceMs = recoveringSince(report, last, nowMs);
    this.#heard.set(node, { link, report, atMs: nowMs, recoveringSinceMs });
    this.#refused.delete(node);
    this.#nodeOf.set(link, node);
    const replaced = last === undefined || last.link === link ? null : last.link;
    if (replaced !== null) this.#nodeOf.delete(replaced);
    return { kind: 'heard', replaced, news: last?.link !== link };
  }

  /** @returns the node that was heard by this link, or `null`. */
  closed(link: LinkId): NodeId | null {
    const node = this.#nodeOf.get(link);
    this.#nodeOf.delete(link);
    const last = node === undefined ? undefined : this.#heard.get(node);
    if (node === undefined || last?.link !== link) return null;
    this.#heard.set(node, { ...last, link: null });
    return node;
  }

  /** Somebody knocked at the port of a node that has no connection: nobody listens there, or somebody does. */
  knocked(node: NodeId, refused: boolean, nowMs: number): void {
    if (refused) {
      this.#refused.set(node, { firstMs: this.#refused.get(node)?.firstMs ?? nowMs, lastMs: nowMs });
    } else this.#refused.delete(node);
  }

  /** For how long its port has refused every knock, in ms; `null` when it did not, or when there is a connection. */
  refusedMs(node: NodeId): number | null {
    const refused = this.#refused.get(node);
    return refused === undefined || this.linkOf(node) !== null ? null : refused.lastMs - refused.firstMs;
  }

  /** Its open connection, or `null`. */
  linkOf(node: NodeId): LinkId | null {
    return this.#heard.get(node)?.link ?? null;
  }

  /** Drops all that was heard of a node without a connection. */
  forget(node: NodeId): void {
    if (this.linkOf(node) !== null) return;
    this.#heard.delete(node);
    this.#refused.delete(node);
  }

  /** What was heard of a node last, however long ago. */
  last(node: NodeId): Heard | undefined {
    return this.#heard.get(node);
  }

  /** The report of a node that is heard: by an open connection, and less than `withinMs` ago. */
  report(node: NodeId, { nowMs, withinMs }: { nowMs: number; withinMs: number }): NodeReport | undefined {
    const last = this.#heard.get(node);
    if (last === undefined || last.link === null || nowMs - last.atMs >= withinMs) return undefined;
    return last.report;
  }

  /** What every node said last. */
  reports(): readonly NodeReport[] {
    return [...this.#heard.values()].map(({ report }) => report);
  }

  /** Every node with an open connection. */
  *linked(): Generator<{ readonly link: LinkId; readonly report: NodeReport }> {
    for (const { link, report } of this.#heard.values()) if (link !== null) yield { link, report };
  }
}

function recoveringSince(report: NodeReport, last: Heard | undefined, nowMs: number): number | null {
  if (report.phase !== 'recovering') return null;
  // One that dies while it reads its log, again and again, has been reading it since the first time.
  const same = report.incarnation.storeId === last?.report.incarnation.storeId;
  return (same ? last?.recoveringSinceMs : null) ?? nowMs;
}

function ignored(reason: string): Hearing {
  return { kind: 'ignored', reason };
}

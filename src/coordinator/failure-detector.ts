import type { NodeId } from '../base/ids.ts';
import type { NodeReport } from '../protocol/messages.ts';
import type { LinkId } from './events.ts';

/** What was heard of a node last. */
export interface Heard {
  /** The connection it came by; `null` once that is closed. */
  readonly link: LinkId | null;
  readonly report: NodeReport;
  /** When, by the monotonic clock. */
  readonly atMs: number;
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
    this.#heard.set(node, { link, report, atMs: nowMs });
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

  /** Drops all that was heard of a node without a connection. */
  forget(node: NodeId): void {
    if (this.#heard.get(node)?.link === null) this.#heard.delete(node);
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

  /** Every node with an open connection. */
  *linked(): Generator<{ readonly link: LinkId; readonly report: NodeReport }> {
    for (const { link, report } of this.#heard.values()) if (link !== null) yield { link, report };
  }
}

function ignored(reason: string): Hearing {
  return { kind: 'ignored', reason };
}

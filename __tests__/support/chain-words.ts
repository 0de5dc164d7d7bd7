import type { LinkMessage } from '../../src/protocol/messages.ts';
import type { ReplicaEvent, WriteReply } from '../../src/replica/events.ts';

/** A message in the fewest words that a course of events needs; `null` for what goes without saying. */
export function describeMessage(message: LinkMessage): string | null {
  switch (message.kind) {
    case 'hello':
      return `Hello in ${message.configuration.epoch}, received ${message.received}`;
    case 'stale':
      return `Stale, ${message.configuration.epoch} is later`;
    case 'welcome': {
      const runs = message.runs.map(({ epoch, lastSeq }) => `${epoch}/${lastSeq}`).join(' ');
      return `Welcome, committed ${message.committed}${runs && `, holds ${runs}`}`;
    }
    case 'resume':
      return `Resume after ${message.after}`;
    case 'append': {
      const entries = message.entries.map(({ epoch, seq }) => `${epoch}/${seq}`).join(' ');
      return `Append ${entries || 'nothing'}, durable ${message.upstreamDurable}`;
    }
    case 'ack':
      return `Ack ${message.committed}`;
    case 'committed-query':
      return 'asks what is committed';
    case 'committed-answer':
      return `says that ${message.committed} is committed`;
    case 'snapshot-start':
      return `Snapshot of ${message.header.seq} from part ${message.from}`;
    case 'snapshot-part':
      return `part ${message.place}`;
    case 'snapshot-end':
      return `that was ${message.parts} parts`;
    case 'snapshot-stored':
      return `stored, next ${message.next}`;
    case 'snapshot-installed':
      return `installed ${message.seq}`;
    // They never stop.
    case 'probe':
    case 'grant':
    case 'confirm':
      return null;
  }
}

/** What happened, if it belongs into a course of events; what was sent is told when it is. */
export function describeEvent(event: ReplicaEvent): string | null {
  switch (event.kind) {
    case 'write':
      return 'takes a write';
    case 'synced':
      return `has synced ${event.through}`;
    case 'saved':
      return 'has saved';
    case 'disconnected':
      return 'loses a connection';
    case 'congested':
      return 'is congested';
    case 'drained':
      return 'has drained';
    case 'failed':
      return 'has failed';
    default:
      return null;
  }
}

export function describeReply(reply: WriteReply): string {
  if (reply.kind === 'applied') {
    const { outcome, replayed } = reply;
    return `${outcome.kind}${outcome.kind === 'rejected' ? '' : ` ${outcome.seq}`}${replayed ? ' again' : ''}`;
  }
  return reply.kind === 'refused' ? reply.code : reply.kind;
}

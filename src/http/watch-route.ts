import { type Seq, seq } from '../base/ids.ts';
import type { NodeService } from '../runtime/node-service.ts';
import type { Dispatch } from './dispatch.ts';
import type { Exchange } from './exchange.ts';
import type { Route } from './http-server.ts';
import { prefixOf } from './keys.ts';
import { routeTo } from './operations.ts';
import { SINCE } from './parameters.ts';
import { badParameter } from './query.ts';
import type { Watches, WatchQuery } from './watch.ts';

/** `/watch`: what is committed from now on, or since a version. */
export function watchRoute({
  service,
  dispatch,
  watches,
}: {
  service: NodeService;
  dispatch: Dispatch;
  watches: Watches;
}): Route {
  const watch = (exchange: Exchange): Promise<void> => {
    const { keyBytes } = service.topology().topology.limits;
    const query: WatchQuery = { prefix: prefixOf(exchange, keyBytes), since: sinceOf(exchange) };
    return dispatch.read(exchange, () => watches.answer(exchange, service, query), {
      keys: null,
      streamed: true,
      intent: 'watch',
    });
  };
  return routeTo('/watch', { GET: watch });
}

/**
 * The version that `Last-Event-ID` names, where it is sent: a browser that resumes asks at the address that it began with, whose `since`
 * is old by then.
 *
 * @throws Refusal BAD_PARAMETER
 */
function sinceOf(exchange: Exchange): Seq | null {
  const since = SINCE.read(exchange.query);
  const begun = since === null ? null : seq(since);
  const resumed = exchange.header('last-event-id');
  return resumed === undefined || resumed === '' ? begun : lastEventId(resumed);
}

/** @throws Refusal BAD_PARAMETER */
function lastEventId(text: string): Seq {
  const version = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(version)) return seq(version);
  throw badParameter('Last-Event-ID', `give a version, from 0 to ${Number.MAX_SAFE_INTEGER}`);
}

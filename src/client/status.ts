import type { Caller } from './caller.ts';
import { CatenaError } from './errors.ts';
import { jsonOf } from './problem.ts';
import type { CallOptions, ChainStatus, NodeState } from './types.ts';

/** The chain, and what each of its nodes says of itself: one that does not answer hides none of the others. */
export async function statusOf(caller: Caller, options: CallOptions = {}): Promise<ChainStatus> {
  const { epoch, members, joiner, urls } = await caller.chain(options);
  const states = Object.entries(urls).map(
    async ([node, url]) => [node, await stateOf(caller, url, options)] as const,
  );
  return { epoch, members, joiner, nodes: Object.fromEntries(await Promise.all(states)) };
}

async function stateOf(caller: Caller, url: string, options: CallOptions): Promise<NodeState | null> {
  try {
    const answer = await caller.ask(url, '/status', options);
    const state = answer.status === 200 ? jsonOf(answer) : null;
    return isNodeState(state) ? state : null;
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof CatenaError) return null;
    throw error;
  }
}

const NUMBERS = ['epoch', 'received', 'durable', 'committed', 'keys'];

/** Something else may have taken over the address of a node that is down. */
function isNodeState(state: unknown): state is NodeState {
  if (typeof state !== 'object' || state === null) return false;
  const members = new Map<string, unknown>(Object.entries(state));
  return (
    typeof members.get('node') === 'string' &&
    typeof members.get('role') === 'string' &&
    NUMBERS.every((name) => typeof members.get(name) === 'number')
  );
}

import { type LookupAddress, lookup } from 'node:dns';
import { isIP } from 'node:net';
import { errnoOf } from './disk-error.ts';
import type { NetworkTrouble } from './probe-trouble.ts';

/** The addresses of a host, or why there are none. */
export type Resolved = readonly LookupAddress[] | Extract<NetworkTrouble, { kind: 'unknown-name' }>;

/** Whether a host was found. */
export function isFound(resolved: Resolved): resolved is readonly LookupAddress[] {
  return Array.isArray(resolved);
}

/**
 * How glibc asks: it reads this once, before its first look-up. A look-up can't be given up, and the process does not end
 * before it does, so one that nobody answers should be over soon.
 */
const RESOLVER_OPTIONS = 'timeout:1 attempts:2';

/**
 * Looks hosts up as every program of this machine does, all at once; addresses are their own answer. To be called before
 * anything else looks up a name.
 */
export async function resolveHosts(
  hosts: readonly string[],
  { withinMs }: { withinMs: number },
): Promise<ReadonlyMap<string, Resolved>> {
  process.env.RES_OPTIONS ??= RESOLVER_OPTIONS;
  // The system looks up a few at a time, so those that need nobody's answer come first.
  const inOrder = [...new Set(hosts)].sort((a, b) => Number(isLocal(b)) - Number(isLocal(a)));
  const found = inOrder.map(async (host) => [host, await resolveHost(host, withinMs)] as const);
  return new Map(await Promise.all(found));
}

function isLocal(host: string): boolean {
  return host === 'localhost' || isIP(host) !== 0;
}

function resolveHost(host: string, withinMs: number): Promise<Resolved> {
  return new Promise((resolve) => {
    const timeout = setTimeout(() => resolve({ kind: 'unknown-name', asked: false }), withinMs);
    lookup(host, { all: true }, (error, addresses) => {
      clearTimeout(timeout);
      const asked = errnoOf(error) !== 'EAI_AGAIN';
      resolve(error === null && addresses.length > 0 ? addresses : { kind: 'unknown-name', asked });
    });
  });
}

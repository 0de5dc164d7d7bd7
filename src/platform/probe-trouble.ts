import { messageOf } from '../base/errors.ts';
import { errnosOf } from './network-error.ts';

/** Why nothing was heard from an address. */
export type NetworkTrouble =
  /** `asked`: whether a name server said so; else none answered. */
  | { readonly kind: 'unknown-name'; readonly asked: boolean }
  | { readonly kind: 'refused' }
  /** This machine has no way there. */
  | { readonly kind: 'unreachable'; readonly errno: string }
  /** No connection in time. */
  | { readonly kind: 'silent'; readonly withinMs: number }
  /** A connection, but no answer in time. */
  | { readonly kind: 'mute'; readonly withinMs: number }
  /** A connection that broke, or brought something that could not be read. */
  | { readonly kind: 'broken'; readonly reason: string };

/** This machine has no address of that kind itself, which says nothing of who listens at the others. */
const NO_WAY: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'ENETUNREACH']);
const UNREACHABLE: ReadonlySet<string> = new Set([...NO_WAY, 'EHOSTUNREACH', 'EHOSTDOWN', 'EACCES', 'EPERM']);

/** What a failed connection, or one that broke, comes down to. */
export function troubleOf(error: unknown, { withinMs }: { withinMs: number }): NetworkTrouble {
  const codes = errnosOf(error);
  const telling = codes.filter((code) => !NO_WAY.has(code));
  if (telling.length > 0 && telling.every((code) => code === 'ECONNREFUSED')) return { kind: 'refused' };
  if (telling.includes('ETIMEDOUT')) return { kind: 'silent', withinMs };
  const unreachable = codes.find((code) => UNREACHABLE.has(code));
  if (unreachable !== undefined) return { kind: 'unreachable', errno: unreachable };
  return { kind: 'broken', reason: codes[0] ?? messageOf(error) };
}

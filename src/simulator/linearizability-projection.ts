import { compareUtf8 } from '../base/utf8.ts';
import type { Asked, Call, Told } from './history.ts';
import type { Group } from './linearizability-tasks.ts';

type Operations = Extract<Asked, { kind: 'operations' }>;
type Page = Extract<Asked, { kind: 'page' }>;

/**
 * A group as each of its keys alone saw it. Where one order explains the whole group it explains each of these, and most
 * that is wrong with a group is wrong with one of its keys, which is found far sooner. The other way round it does not hold.
 */
export function projectionsOf({ keys, calls }: Group): Group[] {
  return keys.map((key) => ({ keys: [key], calls: calls.flatMap((call) => onKey(call, key) ?? []) }));
}

/** `null`: it says nothing of this key. */
function onKey(call: Call, key: string): Call | null {
  const { asked, answer } = call;
  if (asked.kind === 'page') return pageOnKey(call, asked, key);
  if (asked.operations.every((operation) => operation.key === key)) return call;
  if (answer?.told.kind === 'refused') return refusedOnKey(call, asked, answer.told.index, key);
  const isOnKey = (_: unknown, i: number) => asked.operations[i]?.key === key;
  const operations = asked.operations.filter(isOnKey);
  if (operations.length === 0) return null;
  if (answer?.told.kind !== 'done') return { ...call, asked: { ...asked, operations } };
  const told: Told = { ...answer.told, results: answer.told.results.filter(isOnKey) };
  return { ...call, asked: { ...asked, operations }, answer: { ...answer, told } };
}

/** Of a refused batch the operations up to the one that failed, if that was on this key. */
function refusedOnKey(call: Call, asked: Operations, index: number, key: string): Call | null {
  if (asked.operations[index]?.key !== key || call.answer?.told.kind !== 'refused') return null;
  const operations = asked.operations.slice(0, index + 1).filter((operation) => operation.key === key);
  const told = { ...call.answer.told, index: operations.length - 1 };
  return { ...call, asked: { ...asked, operations }, answer: { ...call.answer, told } };
}

function pageOnKey(call: Call, asked: Page, key: string): Call | null {
  const { answer } = call;
  if (answer?.told.kind !== 'page' || !key.startsWith(asked.prefix)) return null;
  const { keys, next } = answer.told;
  const isBefore = asked.after !== null && compareUtf8(key, asked.after) <= 0;
  const isBeyond = next !== null && compareUtf8(key, next) > 0;
  if (isBefore || isBeyond) return null;
  const told: Told = { kind: 'page', keys: keys.filter((shown) => shown.key === key), next: null };
  return { ...call, answer: { ...answer, told } };
}

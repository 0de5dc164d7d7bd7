import { defined } from '../base/assert.ts';
import type { Topology } from '../protocol/topology.ts';
import { sameTopology } from '../topology/plan.ts';
import type { CoordinatorEffect, EditReply } from './events.ts';
import type { Register } from './register.ts';
import type { View } from './rule.ts';
import { plannedSteps, refusalOf, withTopology } from './topology-edit.ts';

/** What a coordinator does at one tick; it gathers until the end of it. */
export interface Turn {
  register: Register;
  /** To be carried out before the register is saved. */
  readonly effects: CoordinatorEffect[];
  /** To be carried out once it is. */
  readonly after: CoordinatorEffect[];
  /** The steps of the edit that was taken. */
  plan: readonly string[];
}

/** What became of an edit: the register with it, and what is answered once that is on disk. */
export interface Taking {
  readonly register: Register;
  readonly reply: EditReply;
  readonly plan: readonly string[];
}

/**
 * Takes an edit into a register, unless somebody else came first or a running cluster can't. The same content again makes no
 * new version: a caller that got no answer may just ask again. When an operator asks for it (`rearranges`), a chain that
 * healing has left in another order is put into the order that it says.
 */
export function takeTopology(
  register: Register,
  edit: { readonly topology: Topology; readonly ifVersion: number | null; readonly rearranges: boolean },
  look: (register: Register) => View | null,
): Taking {
  const present = register.topology;
  const version = present?.version ?? 0;
  const steps = (of: Register, from: Topology) =>
    plannedSteps(
      defined(look(of), () => 'what is known of a register with a topology'),
      from,
    );
  if (present !== null && sameTopology(present.topology, edit.topology)) {
    const asked = edit.rearranges ? { ...register, arranging: true } : register;
    const plan = steps(asked, present.topology);
    return { register: plan.length > 0 ? asked : register, reply: { kind: 'taken', version, plan }, plan };
  }
  if (edit.ifVersion !== null && edit.ifVersion !== version) {
    return { register, reply: { kind: 'conflict', version }, plan: [] };
  }
  const problem = refusalOf(register, edit.topology);
  if (problem !== null) return { register, reply: { kind: 'refused', problem }, plan: [] };
  const taken = withTopology(register, edit.topology);
  const plan = steps(taken, present?.topology ?? edit.topology);
  return { register: taken, reply: { kind: 'taken', version: version + 1, plan }, plan };
}

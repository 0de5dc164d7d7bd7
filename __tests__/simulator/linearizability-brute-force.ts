import { isWrite } from '../../src/protocol/command.ts';
import type { Call } from '../../src/simulator/history.ts';
import { emptyState, Model, type State, UNKEPT } from '../../src/simulator/linearizability-model.ts';
import { type Task, tasksOf } from '../../src/simulator/linearizability-tasks.ts';

/**
 * The definition, word for word: some order of all answered and some of the unanswered calls, which keeps "answered before
 * called", explains every answer, with some versions for those that were told none. For histories of a few calls without
 * lifetimes, whose versions are at most `versionMax`.
 */
export function isExplainedBySomeOrder(calls: readonly Call[], versionMax: number): boolean {
  const keys = [...new Set(calls.flatMap(keysOf))].sort();
  const model = new Model(() => ({ mayGoFromMs: Number.POSITIVE_INFINITY, mustGoByMs: null }));
  const tasks = tasksOf({ keys, calls });
  const goOn = (state: State, left: readonly Task[]): boolean => {
    if (left.every(({ told }) => told === null)) return true;
    return left.some((task) => {
      if (left.some((other) => other.untilMs < task.fromMs)) return false;
      const others = left.filter((other) => other !== task);
      return versionsFor(task, state.top, versionMax).some((version) =>
        model
          .step(state, task, { version, byMs: 0 })
          .some((next) => goOn({ ...next, top: Math.max(next.top, state.top) }, others)),
      );
    });
  };
  return goOn(emptyState(keys.length), tasks);
}

/** The versions of entries: each above the one before. Fractions stand for all that nobody names. */
function versionsFor(task: Task, top: number, versionMax: number): number[] {
  const writes = task.call.asked.kind === 'operations' && task.call.asked.operations.some(isWrite);
  if (!writes) return [UNKEPT];
  if (task.version !== null) return task.version > top ? [task.version] : [];
  const whole = Array.from({ length: versionMax }, (_, i) => i + 1).filter((version) => version > top);
  if (task.told?.kind !== 'refused') return [...whole, top + 1e-6];
  return task.stamped.size > 0 && task.touches.length > 1 ? [...whole, UNKEPT] : [UNKEPT];
}

function keysOf({ asked, answer }: Call): string[] {
  if (asked.kind === 'operations') return asked.operations.map(({ key }) => key);
  return answer?.told.kind === 'page' ? answer.told.keys.map(({ key }) => key) : [];
}

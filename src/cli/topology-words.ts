import type { ChosenConfiguration } from './coordinator-client.ts';

/** The steps of a plan, numbered, a line each. */
export function stepsText(plan: readonly string[]): string {
  const width = String(plan.length).length;
  return plan.map((step, at) => `  ${String(at + 1).padStart(width)}. ${step}`).join('\n');
}

/** A configuration that was chosen, in a line. */
export function chosenText({ epoch, change, reason, members }: ChosenConfiguration): string {
  return `epoch ${epoch}: ${change} (${reason}); the chain is ${members.join(' -> ')}`;
}

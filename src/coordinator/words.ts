/** Names as a sentence has them: `n1, n2 and n3`. */
export function listed(names: readonly string[]): string {
  const last = names.at(-1) ?? 'none';
  return names.length < 2 ? last : `${names.slice(0, -1).join(', ')} and ${last}`;
}

/** The verb that fits how many there are: `was` or `were`, say. */
export function verb(names: readonly string[], one: string, many: string): string {
  return names.length === 1 ? one : many;
}

/** How long something took, as people read it: `5,000 ms`. */
export function inMs(ms: number): string {
  return `${Math.round(ms).toLocaleString('en-US')} ms`;
}

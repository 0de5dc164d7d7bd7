/** The hosts that the tool makes for nodes; each runs the node of its name. */
export const NODES: readonly string[] = ['h1', 'h2', 'h3'];
/** The coordinator has a host of its own, so that its cable can be cut alone; the tool has none for it. */
export const COORDINATOR = 'c1';
/** Where most clients are; its cable is never touched. */
export const CLIENTS = 'ctl';
/** The switch that all cables lead to. */
export const SWITCH = 'sw';

/** What a command needs before it to run on a host. */
export function on(host: string): readonly string[] {
  return ['ip', 'netns', 'exec', host];
}

/** The end of a host's cable at the switch. */
export function plugOf(host: string): string {
  return `p-${host}`;
}

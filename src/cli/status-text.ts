import type { NodeState } from '../client/types.ts';
import { fieldsOf, numberOf, textOf } from './json-fields.ts';
import { countText, harmless, styled } from './output.ts';
import { joinedPercent, type Look, type Rates } from './status-look.ts';

const HEADINGS = ['node', 'role', 'epoch', 'keys', 'committed', 'lag', 'lease left', 'commits/s'];
/** Columns of numbers stand to the right. */
const NUMBERS_FROM = 2;

/** The chain for people: drawn head first, then who is not in it, what is wrong, and the coordinator. */
export function statusText(look: Look, rates: Rates): string {
  const chain = [...look.members, ...(look.joiner === null ? [] : [look.joiner])];
  const spares = Object.keys(look.nodes).filter((node) => !chain.includes(node));
  const rows = [HEADINGS, ...[...chain, ...spares].map((node) => cells(look, node, rates))];
  const [head = '', ...lines] = aligned(rows);
  return [
    `${styled('bold', harmless(look.name))}  epoch ${look.epoch}, ${countText(look.members.length)} in the chain`,
    '',
    styled('dim', `   ${head}`),
    ...drawn(look, lines),
    '',
    ...troubles(look),
    ...coordinatorLines(look),
  ].join('\n');
}

/** The same in a line, for a list of looks. */
export function statusLine(look: Look, rates: Rates): string {
  const parts = look.members.map((node) => {
    const state = look.nodes[node] ?? null;
    if (state === null) return `${node} not reachable`;
    const { role, committed } = state;
    return `${node} ${role} ${countText(committed)} lag ${lagOf(state)} ${rateText(rates[node])}/s`;
  });
  const joiner = look.joiner === null ? [] : [`${look.joiner} joins${percentText(look, look.joiner)}`];
  return harmless(`epoch ${look.epoch}: ${[...parts, ...joiner].join(' -> ')}`);
}

/** The same for programs. */
export function statusJson({ atMs: _, ...look }: Look, rates: Rates): object {
  const nodes = Object.entries(look.nodes).map(
    ([node, state]) => [node, state === null ? null : { ...state, rate: rates[node] ?? null }] as const,
  );
  const coordinators = look.coordinators.map(({ name, url, state }) => ({
    name,
    url,
    ...(state ?? {}),
    reachable: state !== null,
  }));
  return { ...look, nodes: Object.fromEntries(nodes), coordinators };
}

/** Links between the members; a joiner hangs on to the tail by a thread, others stand below. */
function drawn(look: Look, lines: readonly string[]): readonly string[] {
  const members = look.members.length;
  const linked = members + (look.joiner === null ? 0 : 1);
  return lines.flatMap((line, at) => {
    const mark = at < members ? '●' : '○';
    const link = at + 1 < members ? '│' : at + 1 < linked ? '┆' : null;
    const gap = at === linked ? [''] : [];
    return [...gap, `  ${mark} ${line.slice(1)}`, ...(link === null ? [] : [`  ${link}`])];
  });
}

function cells(look: Look, node: string, rates: Rates): readonly string[] {
  const state = look.nodes[node] ?? null;
  if (state === null) return [node, `not reachable at ${look.urls[node] ?? 'any address'}`];
  const role = `${state.role}${state.ready === false && look.members.includes(node) ? ', not ready' : ''}${percentText(look, node)}`;
  const { epoch, keys, committed } = state;
  const numbers = [String(epoch), countText(keys), countText(committed), lagOf(state)];
  return [node, role, ...numbers, leaseText(state), rateText(rates[node])].map(harmless);
}

function percentText({ nodes }: Look, node: string): string {
  const percent = joinedPercent(nodes[node] ?? null);
  return percent === null ? '' : ` ${percent} %`;
}

function lagOf({ lag, received, committed }: NodeState): string {
  return countText(numberOf(lag) ?? received - committed);
}

function leaseText({ lease }: NodeState): string {
  const { needed, leftMs } = fieldsOf(lease);
  return needed === true ? `${Math.round(numberOf(leftMs) ?? 0)} ms` : '-';
}

function rateText(rate: number | null | undefined): string {
  return rate == null ? '-' : countText(Math.round(rate));
}

function aligned(rows: readonly (readonly string[])[]): readonly string[] {
  // What stands alone at the end of its row takes the room of the columns that it has not.
  const whole = rows.filter((row) => row.length === HEADINGS.length);
  const first = Math.max(...rows.map(([name = '']) => name.length));
  const widths = HEADINGS.map((_, at) =>
    at === 0 ? first : Math.max(...whole.map((row) => row[at]?.length ?? 0)),
  );
  const cell = (text: string, at: number): string =>
    at < NUMBERS_FROM ? text.padEnd(widths[at] ?? 0) : text.padStart(widths[at] ?? 0);
  return rows.map((row) => ` ${row.map(cell).join('  ')}`.trimEnd());
}

/** What nodes say is wrong, or that requests wait for. */
function troubles({ nodes }: Look): readonly string[] {
  const lines = Object.entries(nodes).flatMap(([node, state]) => {
    if (state === null) return [];
    const { reads, writes } = fieldsOf(state.waiting);
    const waits = [
      ['reads', textOf(reads)],
      ['writes', textOf(writes)],
    ].flatMap(([what, why]) => (why === null ? [] : [`${what} wait: ${why}`]));
    const problem = textOf(state.problem);
    return [...(problem === null ? [] : [problem]), ...waits].map((text) => `${node}: ${text}`);
  });
  return lines.map((line) => styled('yellow', harmless(line)));
}

function coordinatorLines({ coordinators }: Look): readonly string[] {
  return coordinators.flatMap(({ name, url, state }) => {
    const words =
      state === null
        ? [`not reachable at ${url}: the chain serves, but does not change`]
        : [
            ...(state.problem === null ? [] : [state.problem]),
            ...(state.waitingFor.length === 0
              ? ['waits for nothing']
              : state.waitingFor.map((it) => `waits: ${it}`)),
          ];
    const calm = state !== null && state.problem === null && state.waitingFor.length === 0;
    return words
      .map((text) => harmless(`coordinator ${name}: ${text}`))
      .map((line) => (calm ? line : styled('yellow', line)));
  });
}

import { CatenaError, type ErrorCode, messageOf } from '../base/errors.ts';
import { reasonOf } from '../platform/network-error.ts';
import { type Fields, fieldsOf, isFields, listOf, numberOf, textOf, textsOf } from './json-fields.ts';

/** A coordinator answers an edit within 5 s, whatever its disk does. */
const ANSWER_MS_MAX = 8000;
/** How the last part of a problem's `type` is called here; any other is a refusal. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  'topology-conflict': 'TOPOLOGY_CONFLICT',
  'bad-topology': 'BAD_TOPOLOGY',
  'outcome-unknown': 'OUTCOME_UNKNOWN',
  'not-ready': 'NOT_READY',
};

/** What a coordinator says of its topology. */
export interface TopologyNow {
  readonly version: number;
  /** 0 while there is no configuration yet. */
  readonly epoch: number;
  /** Head first. */
  readonly members: readonly string[];
  /** The steps that are still to be taken, in words. */
  readonly plan: readonly string[];
}

/** A configuration that was chosen. */
export interface ChosenConfiguration {
  readonly epoch: number;
  readonly members: readonly string[];
  readonly change: string;
  readonly reason: string;
}

/** What became of an edit, or with `dryRun` would. */
export interface Edited {
  readonly version: number;
  readonly plan: readonly string[];
}

/** Asks a coordinator over HTTP. Every method throws CatenaError: NOT_READY when it can't be reached or is none, else what it said. */
export class CoordinatorClient {
  /** Without a slash at its end. */
  readonly url: string;

  constructor(url: string) {
    this.url = url.replace(/\/+$/, '');
  }

  async topology(): Promise<TopologyNow> {
    const said = await this.#ask('GET', '/topology');
    const version = numberOf(said.version);
    if (version === null) throw this.#noCoordinator();
    if (!Array.isArray(said.plan)) throw this.#isNode(said);
    if (version === 0) {
      throw new CatenaError('NOT_READY', `the coordinator at ${this.url} is starting; try again in a moment`);
    }
    const configuration = fieldsOf(said.configuration);
    return {
      version,
      epoch: numberOf(configuration.epoch) ?? 0,
      members: listOf(configuration.members).map((member) => textOf(fieldsOf(member).node) ?? '?'),
      plan: textsOf(said.plan),
    };
  }

  /** Sends the text of a topology file, to be taken if the present version is still `ifVersion`. */
  async edit(text: string, { ifVersion, dryRun }: { ifVersion: number; dryRun: boolean }): Promise<Edited> {
    const said = await this.#ask('PUT', `/topology${dryRun ? '?dry-run=true' : ''}`, {
      headers: { 'Content-Type': 'application/json', 'If-Match': `"${ifVersion}"` },
      body: text,
    });
    return { version: numberOf(said.version) ?? ifVersion, plan: textsOf(said.plan) };
  }

  /** Those chosen since that epoch, oldest first. */
  async chosenSince(epoch: number): Promise<readonly ChosenConfiguration[]> {
    const { configurations } = await this.#ask('GET', '/history');
    return listOf(configurations)
      .map(fieldsOf)
      .map((item) => ({
        epoch: numberOf(item.epoch) ?? 0,
        members: textsOf(item.members),
        change: textOf(item.change) ?? '',
        reason: textOf(item.reason) ?? '',
      }))
      .filter((item) => item.epoch > epoch);
  }

  /** What it waits for and what it sees of each node, as `GET /status` has it. */
  async status(): Promise<{ readonly waitingFor: readonly string[]; readonly nodes: Fields }> {
    const said = await this.#ask('GET', '/status');
    // A node has a status too; what it says of the topology tells where the coordinator is.
    if (!isFields(said.nodes)) await this.topology();
    return { waitingFor: textsOf(said.waitingFor), nodes: fieldsOf(said.nodes) };
  }

  /** Makes this node the whole chain. @returns the new epoch. */
  async force(survivor: string): Promise<number> {
    const query = `survivor=${encodeURIComponent(survivor)}&confirm=data-may-be-lost`;
    return numberOf((await this.#ask('POST', `/force?${query}`)).epoch) ?? 0;
  }

  async #ask(
    method: string,
    path: string,
    more: { headers?: Record<string, string>; body?: string } = {},
  ): Promise<Fields> {
    const { ok, text } = await this.#fetched(method, path, more);
    const said = parsed(text);
    if (said === null) throw this.#noCoordinator();
    if (!ok) throw problemOf(said) ?? this.#noCoordinator();
    return said;
  }

  async #fetched(method: string, path: string, more: object): Promise<{ ok: boolean; text: string }> {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX);
    try {
      const response = await fetch(`${this.url}${path}`, { method, signal, ...more });
      return { ok: response.ok, text: await response.text() };
    } catch (error) {
      // What fetch throws says "fetch failed", and why in its cause.
      const why =
        error instanceof Error && error.cause !== undefined ? reasonOf(error.cause) : messageOf(error);
      const reason = signal.aborted ? `no answer within ${ANSWER_MS_MAX / 1000} s` : why;
      throw new CatenaError(
        'NOT_READY',
        `the coordinator at ${this.url} can't be reached: ${reason}. Start it, or give its address with --url`,
        { cause: error },
      );
    }
  }

  #noCoordinator(): CatenaError {
    return new CatenaError(
      'NOT_READY',
      `what answers at ${this.url} is no coordinator of catena: give the address of one with --url`,
    );
  }

  #isNode({ topology }: Fields): CatenaError {
    const [coordinator] = Object.values(fieldsOf(fieldsOf(topology).coordinators));
    const [url] = textsOf(fieldsOf(coordinator).urls);
    const hint = url === undefined ? '' : `, such as --url ${url}`;
    return new CatenaError(
      'NOT_READY',
      `what answers at ${this.url} is a node: give the address of the coordinator${hint}`,
    );
  }
}

function parsed(text: string): Fields | null {
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? value : null;
  } catch {
    return null;
  }
}

/** A problem document (RFC 9457) of a coordinator. */
function problemOf({ type, detail }: Fields): CatenaError | null {
  const kind = /^urn:catena:problem:(.+)$/.exec(textOf(type) ?? '')?.[1];
  if (kind === undefined || kind === 'no-such-route') return null;
  return new CatenaError(CODES[kind] ?? 'TOPOLOGY_REFUSED', textOf(detail) ?? kind);
}

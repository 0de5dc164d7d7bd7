import { type Command, InvalidArgumentError, Option } from 'commander';
import { CatenaError, type ErrorCode } from '../base/errors.ts';
import type { Core } from '../client/core.ts';
import { CatenaError as ClientError } from '../client/errors.ts';
import type { Catena } from '../client/types.ts';
import { errnosOf } from '../platform/network-error.ts';
import { type Fields, fieldsOf } from './json-fields.ts';
import { harmless, ReaderLeft } from './output.ts';

const URL_DEFAULT = 'http://localhost:4466';
const TIMEOUT_SECONDS_DEFAULT = 10;
/** Beyond that nodes may forget the id under which a write is tried again. */
const TIMEOUT_SECONDS_MAX = 300;
/** What the caller has to say in another way. */
const USAGE_CODES: readonly string[] = ['BAD_PARAMETER', 'BAD_KEY', 'CONFLICTING_CONDITIONS'];
/** Causes of causes that are looked at. */
const CAUSES_MAX = 8;

/** What every command that speaks to a chain is given. */
export interface ClientFlags {
  readonly url: string;
  /** In seconds. */
  readonly timeout: number;
}

/** A chain that answers. */
export interface Chain {
  readonly client: Catena;
  /** For what a value is as stored, byte for byte: `client` speaks of what it means. */
  readonly core: Core;
  /** Of the node that was asked first; without a slash behind. */
  readonly url: string;
  /** What it said it is called. */
  readonly node: string;
  /** What `GET /topology` of it said. */
  readonly page: Fields;
  readonly deadlineMs: number;
}

/** Gives a command the options by which a chain is found. */
export function withClientOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--url <url>', 'any node of the chain')
        .env('CATENA_URL')
        .default(URL_DEFAULT)
        .argParser(nodeUrl),
    )
    .addOption(
      new Option('--timeout <seconds>', 'go on trying for so long while the chain changes')
        .default(TIMEOUT_SECONDS_DEFAULT)
        .argParser(timeoutSeconds),
    );
}

/**
 * Connects, does the work, and closes the connections. Loads the client only now: `--help` needs none of it.
 *
 * @throws CatenaError in words for people, in one line. A reader of standard output that leaves ends it quietly.
 */
export async function withChain(flags: ClientFlags, work: (chain: Chain) => Promise<void>): Promise<void> {
  const [{ Core }, { Client }, { UndiciTransport }] = await Promise.all([
    import('../client/core.ts'),
    import('../client/client.ts'),
    import('../client/transport-undici.ts'),
  ]);
  const { url } = flags;
  const deadlineMs = flags.timeout * 1000;
  const core = new Core({ transport: new UndiciTransport(), urls: [url], deadlineMs });
  try {
    const { node, page } = await firstLook(core, url);
    await work({ client: new Client(core), core, url, node, page, deadlineMs });
  } catch (error) {
    if (!(error instanceof ReaderLeft)) throw told(error);
  } finally {
    await core.close();
  }
}

/** An error of the client as `main` tells it: in one line, and with a code that its exit code comes from. */
export function told(error: unknown, more = ''): unknown {
  const ours = error instanceof ClientError || error instanceof CatenaError;
  if (!ours) return error;
  const code: ErrorCode = USAGE_CODES.includes(error.code) ? 'BAD_PARAMETER' : 'NOT_READY';
  return new CatenaError(code, harmless(`${error.message}${more}`.replaceAll(/\s*\n\s*/g, ' ')), {
    cause: error,
  });
}

/** A whole number of 0 or more, as an option has it. */
export function wholeNumber(text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(number)) return number;
  throw new InvalidArgumentError('Give a whole number, 0 or more.');
}

/** One address that does not answer is told at once: while a chain changes its nodes do answer. */
async function firstLook(core: Core, url: string): Promise<{ readonly node: string; readonly page: Fields }> {
  try {
    const { status, headers, body } = await core.ask(url, '/topology');
    const node = headers.get('catena-node');
    if (node !== null && status < 400) return { node, page: fieldsOf(parsed(body)) };
  } catch (error) {
    throw unreachable(error, url);
  }
  throw new CatenaError(
    'NOT_READY',
    `what answers at ${url} is no node of catena: give the URL of one with --url`,
  );
}

function unreachable(error: unknown, url: string): unknown {
  if (!(error instanceof ClientError)) return error;
  const refused = causesOf(error).some((cause) => errnosOf(cause).includes('ECONNREFUSED'));
  const message = refused
    ? `nothing listens at ${url}: start a chain with catena up, or give the URL of a node with --url`
    : `${error.message}: give the URL of a node that answers with --url`;
  return new CatenaError('NOT_READY', message, { cause: error });
}

function causesOf(error: unknown): readonly unknown[] {
  const causes: unknown[] = [error];
  for (let at = 0; at < CAUSES_MAX; at++) {
    const last = causes.at(-1);
    if (!(last instanceof Error) || last.cause === undefined) break;
    causes.push(last.cause);
  }
  return causes;
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return null;
  }
}

function nodeUrl(text: string): string {
  const url = URL.parse(text);
  const web = url !== null && /^https?:$/.test(url.protocol) && url.hostname !== '';
  if (web && url.pathname === '/' && url.search === '' && url.username === '') return url.origin;
  throw new InvalidArgumentError('Give the URL of a node without a path, such as http://localhost:4466.');
}

function timeoutSeconds(text: string): number {
  const seconds = text.trim() === '' ? Number.NaN : Number(text);
  if (seconds > 0 && seconds <= TIMEOUT_SECONDS_MAX) return seconds;
  throw new InvalidArgumentError(`Give seconds, above 0 and at most ${TIMEOUT_SECONDS_MAX}.`);
}

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../platform/clock.ts';
import type { ListenAt } from '../server/listen-at.ts';
import { type FromUp, type ToUp, UNDER_UP } from '../server/parent.ts';
import type { PlannedProcess } from './up-plan.ts';
import type { Screen } from './up-screen.ts';

const RESTART_MS = 1000;
/** For an end that starting again will hardly mend; the wait doubles up to this. */
const RESTART_MS_MAX = 30_000;

/** Beside this file; as TypeScript in a checkout, as JavaScript in a package. */
const MAIN = fileURLToPath(
  new URL(`main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
);
/** They are for one process alone, so what `up` was given must not reach all of its children. */
const OWN_VARIABLES = [
  'CATENA_NODE',
  'CATENA_TOPOLOGY',
  'CATENA_DATA',
  'CATENA_LISTEN',
  'CATENA_LISTEN_PEER',
];

/** How a child is kept. */
export interface ChildOptions {
  readonly process: PlannedProcess;
  /** The topology file that it is to read at its next start. */
  readonly topology: () => string;
  /** Whether it is started again when it dies. */
  readonly restart: boolean;
  /** Called when it has been started again. */
  readonly restarted: () => void;
  /** Called when it has died and stays dead. */
  readonly gone: () => void;
}

/**
 * One node or coordinator, run as a process in a session of its own: no signal from the terminal reaches it twice. It
 * ends when the channel between it and `up` does, so at once when `up` is killed.
 */
export class Child {
  readonly process: PlannedProcess;
  readonly #options: ChildOptions;
  readonly #screen: Screen;
  #child: ChildProcess | null = null;
  #ended = Promise.withResolvers<void>();
  #drained = Promise.withResolvers<void>();
  #failure: Extract<ToUp, { kind: 'failed' }> | null = null;
  #restartMs = RESTART_MS;
  #cancelRestart = (): void => {};
  #leaving = false;

  constructor(options: ChildOptions, screen: Screen) {
    this.process = options.process;
    this.#options = options;
    this.#screen = screen;
  }

  /** Of the process now; `undefined` while there is none. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    const { id } = this.process;
    const child = spawn(process.execPath, [MAIN, ...argumentsOf(this.process, this.#options.topology())], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: childEnvironment(),
    });
    this.#child = child;
    this.#failure = null;
    this.#ended = Promise.withResolvers();
    this.#drained = Promise.withResolvers();
    eachLine(child.stdout, (line) => this.#screen.logged(id, line));
    eachLine(child.stderr, (line) => this.#screen.complained(id, line));
    child.on('message', (message) => this.#told(message as ToUp));
    child.on('error', (error) => this.#spawnFailed(error));
    child.once('close', (code, signal) => this.#closed(signal ?? `exit code ${code}`));
  }

  /** Takes no more requests; resolves when those in flight have ended, or it is gone. */
  drain(): Promise<void> {
    return this.#ask('drain', this.#drained.promise);
  }

  /** Stops in order and is not started again; resolves when it is gone. */
  stop(): Promise<void> {
    this.#leave();
    return this.#ask('stop', this.#ended.promise);
  }

  /** Ends at once and is not started again; resolves when it is gone. */
  kill(): Promise<void> {
    this.#leave();
    this.#child?.kill('SIGKILL');
    return this.#child === null ? Promise.resolve() : this.#ended.promise;
  }

  #leave(): void {
    this.#leaving = true;
    this.#cancelRestart();
  }

  async #ask(what: FromUp, done: Promise<void>): Promise<void> {
    if (this.#child === null) return;
    // One whose channel is broken is about to end by itself.
    this.#child.send(what, () => {});
    await done;
  }

  #told(message: ToUp): void {
    if (message.kind === 'drained') this.#drained.resolve();
    else this.#failure = message;
  }

  #spawnFailed(error: Error): void {
    this.#screen.warn(`${this.process.id}: ${error.message}`);
    if (this.#child?.pid === undefined) this.#closed('it could not be started');
  }

  #closed(how: string): void {
    this.#child = null;
    this.#drained.resolve();
    this.#ended.resolve();
    if (this.#leaving) return;
    if (this.#options.restart) return this.#restartLater(how);
    this.#screen.warn(`${this.process.id} is dead (${how}) and stays so`, { child: this.process.id, how });
    this.#options.gone();
  }

  #restartLater(how: string): void {
    const { id } = this.process;
    const failure = this.#failure;
    this.#restartMs = failure === null ? RESTART_MS : Math.min(this.#restartMs * 2, RESTART_MS_MAX);
    const when = `in ${this.#restartMs / 1000} s`;
    const message =
      failure === null
        ? `${id} is dead (${how}); starting it again ${when}`
        : `${id} can't run (${failure.code}), and starting it again won't mend that: do what it says above; next try ${when}`;
    this.#screen.warn(message, { child: id, how, code: failure?.code });
    this.#cancelRestart = systemClock.after(this.#restartMs, () => {
      this.start();
      this.#options.restarted();
    });
  }
}

function argumentsOf({ kind, id, data, at }: PlannedProcess, topology: string): string[] {
  const all = [kind, id, '--topology', topology, '--data', data];
  // A coordinator reads the file that people edit, whatever address a PUT gave it since.
  if (kind === 'coordinator') all.push('--listen', hostPort(at.http), '--listen-peer', hostPort(at.peer));
  return all;
}

function hostPort({ hosts, port }: ListenAt): string {
  const [host = 'localhost'] = hosts.length > 1 ? [] : hosts;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function childEnvironment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !OWN_VARIABLES.includes(name));
  return { ...Object.fromEntries(inherited), [UNDER_UP]: '1' };
}

function eachLine(stream: Readable | null, call: (line: string) => void): void {
  if (stream !== null) createInterface({ input: stream }).on('line', call);
}

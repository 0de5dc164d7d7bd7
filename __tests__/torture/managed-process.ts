import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UNDER_UP } from '../../src/server/parent.ts';
import { PROJECT } from '../support/source-files.ts';

const CATENA = join(PROJECT, 'src/cli/main.ts');
const TAIL_LINES = 30;

/** What to run, and where its log goes. */
export interface ProcessOptions {
  readonly name: string;
  /** Of `catena`. */
  readonly args: readonly string[];
  readonly logFile: string;
  readonly environment: Readonly<Record<string, string>>;
  /** A command that becomes the one that stands behind it, such as one that goes to another host first; none by default. */
  readonly by?: readonly string[];
}

/** A node or a coordinator that is started, killed and stopped again and again. */
export class ManagedProcess {
  readonly name: string;
  readonly #options: ProcessOptions;
  readonly #endedByItself: (how: string) => void;
  #child: ChildProcess | null = null;
  #ended: Promise<unknown> = Promise.resolve();

  /** `endedByItself` is told of every end that was not asked for. */
  constructor(options: ProcessOptions, endedByItself: (how: string) => void) {
    this.name = options.name;
    this.#options = options;
    this.#endedByItself = endedByItself;
  }

  get running(): boolean {
    return this.#child !== null;
  }

  /** Of the present process; `null` when none runs. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Does nothing when it runs. */
  start(): void {
    if (this.#child !== null) return;
    const { args, logFile, environment, by = [] } = this.#options;
    const [program = process.execPath, ...rest] = [...by, process.execPath, CATENA, ...args];
    const log = openSync(logFile, 'a');
    // Ctrl-C at a terminal goes to its whole process group: theirs is another. Over the channel they learn when we are gone.
    const child = spawn(program, rest, {
      detached: true,
      env: { ...withoutCatena(process.env), ...environment, [UNDER_UP]: '1' },
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    this.#child = child;
    this.#ended = once(child, 'exit');
    child.on('error', () => {});
    child.on('exit', (code, signal) => this.#exited(child, code, signal));
  }

  /** `kill -9`; resolves when the system has cleared it away. */
  async kill(): Promise<void> {
    this.killNow();
    await this.#ended;
  }

  /** The same without waiting, for a process that exits itself. */
  killNow(): void {
    const child = this.#child;
    this.#child = null;
    child?.kill('SIGKILL');
  }

  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** The last lines that it logged. */
  logTail(): string {
    return this.#log().trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
  }

  /** The lines of its log that pino calls fatal. */
  fatalLines(): readonly string[] {
    return this.#log()
      .split('\n')
      .filter((line) => line.includes('"level":60') || line.includes('"level":"fatal"'));
  }

  #log(): string {
    return readFileSync(this.#options.logFile, 'utf8');
  }

  #exited(child: ChildProcess, code: number | null, signal: string | null): void {
    if (this.#child !== child) return;
    this.#child = null;
    this.#endedByItself(`${this.name} ended by itself with ${signal ?? `code ${code}`}:\n${this.logTail()}`);
  }
}

/** What somebody's shell says must not change a run. */
function withoutCatena(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('CATENA_')));
}

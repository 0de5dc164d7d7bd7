import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { PROJECT } from './source-files.ts';

/** How long a program may take to say something on a slow machine, in ms. */
const PATIENCE_MS = 25_000;

/** How a program ended. */
export interface Ended {
  /** `null` when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A child process whose output is kept, and can be waited for. */
export class Program {
  readonly child: ChildProcess;
  #stdout = '';
  #stderr = '';
  #changed = Promise.withResolvers<void>();
  readonly #ended: Promise<void>;
  #over = false;

  constructor(
    args: readonly string[],
    {
      env = {},
      cwd = PROJECT,
      program = process.execPath,
      detached = false,
    }: { env?: NodeJS.ProcessEnv; cwd?: string; program?: string; detached?: boolean } = {},
  ) {
    this.child = spawn(program, args, {
      cwd,
      detached,
      env: { ...withoutCatena(process.env), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.on('data', (chunk) => this.#heard(() => (this.#stdout += chunk)));
    this.child.stderr?.on('data', (chunk) => this.#heard(() => (this.#stderr += chunk)));
    this.#ended = once(this.child, 'close').then(() => this.#heard(() => (this.#over = true)));
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get output(): string {
    return this.#stdout + this.#stderr;
  }

  /** Waits until its output matches; fails when it ends before, or says nothing of the kind for too long. */
  async says(pattern: RegExp): Promise<RegExpMatchArray> {
    let late = false;
    const timer = setTimeout(() => this.#heard(() => (late = true)), PATIENCE_MS);
    try {
      for (;;) {
        const match = this.output.match(pattern);
        if (match !== null) return match;
        if (this.#over || late) throw new Error(`it did not say ${pattern}:\n${this.output.slice(-4000)}`);
        await this.#changed.promise;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async ends(): Promise<Ended> {
    await this.#ended;
    const { exitCode, signalCode } = this.child;
    return { code: exitCode, signal: signalCode, stdout: this.#stdout, stderr: this.#stderr };
  }

  /** Ends it, if it has not ended by itself. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Ended> {
    this.child.kill(signal);
    return this.ends();
  }

  #heard(keep: () => void): void {
    keep();
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    resolve();
  }
}

/** Starts npm in a process group of its own, as a terminal does. */
export function npm(args: readonly string[]): Program {
  return new Program(args, { program: 'npm', detached: true });
}

/** Starts `catena` with these arguments, as `npm run catena --` does. */
export function catena(
  args: readonly string[],
  options?: { env?: NodeJS.ProcessEnv; cwd?: string },
): Program {
  return new Program([join(PROJECT, 'src/cli/main.ts'), ...args], options);
}

/** What somebody's shell says must not change a test. */
function withoutCatena(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('CATENA_')));
}

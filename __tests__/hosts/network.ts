import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CLIENTS, COORDINATOR, NODES, SWITCH } from './places.ts';

const ADD_HOST = fileURLToPath(new URL('./add-host.sh', import.meta.url));
/** In the network that the tool uses: its own hosts count from 1. */
const COORDINATOR_NUMBER = 99;
const MADE_BY_TOOL = [CLIENTS, ...NODES, SWITCH];
/** What the system gives a process that enters a network namespace instead of its own files. */
const FILES = '/etc/netns';

/** The hosts and cables of a run: those that a tool makes, and one more for the coordinator. */
export class Network {
  readonly #tool: string;
  #standing = false;

  constructor(tool: string) {
    this.#tool = tool;
  }

  /** Namespaces of our names that are there already. */
  inTheWay(): readonly string[] {
    const there = namespaces();
    return [...MADE_BY_TOOL, COORDINATOR].filter((name) => there.includes(name));
  }

  /** How somebody removes by hand what a run left that was killed. */
  get removal(): string {
    return `ip netns del ${COORDINATOR}; rm -rf ${FILES}/${COORDINATOR}; ${this.#tool} down`;
  }

  async up(): Promise<void> {
    this.#standing = true;
    // In a process group of its own: Ctrl-C at a terminal would leave it half done.
    const child = spawn(this.#tool, ['up'], { stdio: ['ignore', 'inherit', 'inherit'], detached: true });
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error(`${this.#tool} up failed with code ${code}`);
    this.#addCoordinator();
  }

  /** Removes all of it, at once: also while this process exits. */
  down(): void {
    if (!this.#standing) return;
    this.#standing = false;
    if (namespaces().includes(COORDINATOR)) {
      for (const pid of words(ip('netns', 'pids', COORDINATOR))) kill(Number(pid));
      ip('netns', 'del', COORDINATOR);
    }
    rmSync(`${FILES}/${COORDINATOR}`, { recursive: true, force: true });
    execFileSync(this.#tool, ['down'], { stdio: ['ignore', 'inherit', 'inherit'] });
    removeIfEmpty(FILES);
  }

  #addCoordinator(): void {
    const hosts = readFileSync(`${FILES}/${CLIENTS}/hosts`, 'utf8');
    const network = /^(\d+\.\d+\.\d+)\.\d+ ctl$/m.exec(hosts)?.[1];
    if (network === undefined) throw new Error(`the tool's list of hosts names no ${CLIENTS}:\n${hosts}`);
    const address = `${network}.${COORDINATOR_NUMBER}`;
    execFileSync(ADD_HOST, [COORDINATOR, address], { stdio: ['ignore', 'inherit', 'inherit'] });
    const entry = `${address} ${COORDINATOR}\n`;
    for (const host of [CLIENTS, ...NODES]) appendFileSync(`${FILES}/${host}/hosts`, entry);
    mkdirSync(`${FILES}/${COORDINATOR}`);
    writeFileSync(`${FILES}/${COORDINATOR}/hosts`, hosts + entry);
    writeFileSync(`${FILES}/${COORDINATOR}/resolv.conf`, '');
  }
}

function namespaces(): readonly string[] {
  return ip('netns', 'list')
    .split('\n')
    .flatMap((line) => words(line).slice(0, 1));
}

function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8' });
}

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

/** One that has ended meanwhile is fine too. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Somebody else's namespaces may have files there. */
function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    const codes = ['ENOENT', 'ENOTEMPTY', 'EEXIST'];
    if (!(error instanceof Error && 'code' in error && codes.includes(String(error.code)))) throw error;
  }
}

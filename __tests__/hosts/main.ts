/**
 * `node __tests__/hosts/main.ts --hosts-tool PATH`: three nodes and a coordinator on hosts of their own, whose cables are cut.
 * PATH is a script that makes (`up`) and removes (`down`) the network namespaces h1, h2, h3 and ctl on a bridge in sw. The run
 * itself is `inside.ts`; here the network around it is made, and all of it is removed whatever happens.
 *
 * Exit codes: 0; 1 when something was not as it should be; 2 when it can't be run here; 130 when a signal ended it.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Network } from './network.ts';
import { CLIENTS, on } from './places.ts';

const USAGE = 'usage: node __tests__/hosts/main.ts --hosts-tool PATH [--seed S]';
const CANT_BE_RUN = 2;
const INTERRUPTED = 130;
/** The run has a limit of its own, which tells more; this one is for a run that can't keep it. */
const LIMIT_MS = 240_000;
const KILL_AFTER_MS = 10_000;
const INSIDE = fileURLToPath(new URL('./inside.ts', import.meta.url));

interface Options {
  readonly tool: string;
  readonly seed: number;
}

function optionsOf(args: readonly string[]): Options | null {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { 'hosts-tool': { type: 'string' }, seed: { type: 'string' } },
    });
    const tool = values['hosts-tool'];
    const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
    return tool === undefined || !Number.isSafeInteger(seed) ? null : { tool: resolve(tool), seed };
  } catch {
    return null;
  }
}

/** Why it can't be run on this machine, with what to do; `null` when it can. */
function obstacle(tool: string): string | null {
  try {
    accessSync(tool, constants.X_OK);
  } catch {
    return `${tool} is not there, or may not be run: give --hosts-tool the path of the script that makes the hosts`;
  }
  if (process.getuid?.() !== 0) return 'only root may make network namespaces: run it as root';
  try {
    execFileSync('ip', ['-V'], { stdio: 'ignore' });
  } catch {
    return 'there is no command ip: install iproute2';
  }
  return null;
}

/** Runs all between the making and the removing of the network. @returns the exit code. */
async function run(network: Network, { folder, seed }: { folder: string; seed: number }): Promise<number> {
  const inside: { child: ChildProcess | null } = { child: null };
  let stopped = false;
  const stop = (signal: string): void => {
    if (!stopped) console.log(`${signal}: ending in order, and removing everything`);
    stopped = true;
    inside.child?.kill('SIGTERM');
    setTimeout(() => inside.child?.kill('SIGKILL'), KILL_AFTER_MS).unref();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  await network.up();
  if (stopped) return INTERRUPTED;
  const [program = '', ...rest] = [...on(CLIENTS), process.execPath, INSIDE, folder, String(seed)];
  // A group of its own, as a signal must come to it once; over the channel it learns when this process is gone.
  inside.child = spawn(program, rest, { detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const late = setTimeout(() => inside.child?.kill('SIGTERM'), LIMIT_MS);
  const lost = setTimeout(() => inside.child?.kill('SIGKILL'), LIMIT_MS + KILL_AFTER_MS);
  const [code] = (await once(inside.child, 'exit')) as [number | null];
  clearTimeout(late);
  clearTimeout(lost);
  if (stopped) return INTERRUPTED;
  return code === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  const options = optionsOf(process.argv.slice(2));
  const obstructed = options === null ? USAGE : obstacle(options.tool);
  if (options === null || obstructed !== null) {
    console.error(obstructed);
    return CANT_BE_RUN;
  }
  const network = new Network(options.tool);
  const inTheWay = network.inTheWay();
  if (inTheWay.length > 0) {
    console.error(
      `the network namespaces ${inTheWay.join(', ')} exist already: another run is under way, or one was killed. ` +
        `To remove them: ${network.removal}`,
    );
    return 1;
  }
  const folder = mkdtempSync(join(tmpdir(), 'catena-hosts-'));
  process.on('exit', () => network.down());
  let code = 1;
  try {
    code = await run(network, { folder, seed: options.seed });
  } finally {
    network.down();
    if (code === 1 && readdirSync(folder).length > 0)
      console.log(`data, logs and the history are kept in ${folder}`);
    else rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  }
  return code;
}

process.exitCode = await main();

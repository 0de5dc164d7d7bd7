import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Program } from '../support/catena-process.ts';

const module = new URL('../../src/server/process.ts', import.meta.url).href;

/** A process that runs what `running` says, as a server would be run. */
function server(running: string, options?: { env: NodeJS.ProcessEnv }): Program {
  const script = `
    import { runAsProcess } from ${JSON.stringify(module)};
    setInterval(() => {}, 1000);
    await runAsProcess('n1', async ({ logger, describe }) => {
      describe(() => ({ role: 'head', epoch: 7 }));
      ${running}
    });`;
  return new Program(['--input-type=module', '-e', script], options);
}

const RUNS = `
  logger.info({}, 'it runs');
  return { drain: async () => {}, stop: async () => logger.info({}, 'stopped in order') };`;
const HANGS = `
  logger.info({}, 'it runs');
  return { drain: async () => {}, stop: () => new Promise(() => {}) };`;

test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
  '%s stops in order, and the exit code is 0',
  async (signal) => {
    const program = server(RUNS);
    await program.says(/it runs/);
    const { code, stdout } = await program.kill(signal);
    expect(stdout).toContain('stopped in order');
    expect(code).toBe(0);
  },
);

test('each line of the log is JSON and has the node, its role and its epoch', async () => {
  const program = server(RUNS);
  await program.says(/it runs/);
  const { stdout } = await program.kill('SIGTERM');
  for (const line of stdout.trim().split('\n')) {
    expect(JSON.parse(line)).toMatchObject({ node: 'n1', role: 'head', epoch: 7 });
  }
});

test('a signal that comes twice within a moment, as Ctrl-C under npm does, counts once', async () => {
  const program = server(`
    logger.info({}, 'it runs');
    const { promise, resolve } = Promise.withResolvers();
    process.on('SIGTERM', () => resolve());
    return { drain: async () => {}, stop: () => promise };`);
  await program.says(/it runs/);
  program.child.kill('SIGINT');
  await program.says(/Stopping/);
  const { code } = await program.kill('SIGTERM');
  expect(code).toBe(0);
});

test('a later signal ends at once', async () => {
  const program = server(HANGS);
  await program.says(/it runs/);
  program.child.kill('SIGINT');
  await program.says(/Stopping/);
  const again = setInterval(() => program.child.kill('SIGINT'), 100);
  const { code, stdout } = await program.ends();
  clearInterval(again);
  expect(stdout).toContain('a second signal');
  expect(code).toBe(1);
});

test('one that can not stop ends all the same, and says so', async () => {
  const program = server(HANGS);
  await program.says(/it runs/);
  const { code, stdout } = await program.kill('SIGTERM');
  expect(stdout).toContain('did not stop within');
  expect(code).toBe(1);
}, 20_000);

test('one that can not start says why, with its code, and exits with 1', async () => {
  const program = server(`
    const { CatenaError } = await import(${JSON.stringify(new URL('../../src/base/errors.ts', import.meta.url).href)});
    throw new CatenaError('LOCKED', 'data/n1 is in use by another process. Stop that one.');`);
  const { code, stdout, stderr } = await program.ends();
  expect(stderr).toBe('catena: data/n1 is in use by another process. Stop that one.\n');
  expect(JSON.parse(stdout)).toMatchObject({
    level: 60,
    code: 'LOCKED',
    msg: 'data/n1 is in use by another process. Stop that one.',
  });
  expect(code).toBe(1);
});

test.each([
  ['an exception that nobody caught', "setTimeout(() => { throw new Error('I2 broken'); }, 1)"],
  ['a rejection that nobody handled', "void Promise.reject(new Error('I2 broken'))"],
])('%s is logged as fatal, and the process exits with 1', async (_what, code) => {
  const program = server(`${RUNS.replace('return', `${code}; return`)}`);
  const ended = await program.ends();
  // It is written past a line that is on its way, so it need not be the last.
  const lines = ended.stdout.trim().split('\n');
  const fatal = lines.map((line) => JSON.parse(line)).filter(({ level }) => level === 60);
  expect(fatal).toMatchObject([{ err: { message: 'I2 broken' } }]);
  expect(ended.code).toBe(1);
});

test('a level that pino does not know is refused', async () => {
  const { code, stderr } = await server(RUNS, { env: { CATENA_LOG_LEVEL: 'loud' } }).ends();
  expect(stderr).toContain('CATENA_LOG_LEVEL is "loud"');
  expect(code).not.toBe(0);
});

test('one that `up` started ends at once when `up` is killed, even while it hangs in stopping', async () => {
  const inner = `
    import { runAsProcess } from ${JSON.stringify(module)};
    await runAsProcess('n1', async () => {
      console.log('it runs');
      return { drain: async () => {}, stop: () => new Promise(() => {}) };
    });`;
  const outer = `
    const { spawn } = require('node:child_process');
    spawn(process.execPath, ['--input-type=module', '-e', ${JSON.stringify(inner)}], {
      detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { ...process.env, CATENA_UNDER_UP: '1' },
    });`;
  const up = spawn(process.execPath, ['-e', outer], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(up.stdout, 'data');
  up.kill('SIGKILL');
  // Both hold the pipe, so it closes when the last of them has ended.
  up.stdout.resume();
  await once(up.stdout, 'close');
});

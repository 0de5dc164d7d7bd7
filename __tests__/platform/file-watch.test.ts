import { appendFile, mkdir, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FileWatch } from '../../src/platform/file-watch.ts';
import { Program } from '../support/catena-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const directory = temporaryDirectory();
const watches: FileWatch[] = [];

// Before the directory is removed.
afterEach(async () => {
  for (const watch of watches.splice(0)) await watch.stop();
});

/** What was told of a file, in words; text that does not end in a dot is taken for half of what is being written. */
class Told {
  readonly path = join(directory.path, 'file.json');
  readonly lines: string[] = [];
  #watch: FileWatch | null = null;

  follow(): this {
    this.#watch = new FileWatch(this.path, {
      says: (text, settled) => {
        const whole = text.endsWith('.');
        if (whole || settled) this.lines.push(whole ? text : `bad: ${text}`);
        return whole;
      },
      away: (reason) => this.lines.push(`away: ${reason}`),
    });
    watches.push(this.#watch);
    return this;
  }

  /** Writes it aside and puts it in its place, as most editors do. */
  async replace(text: string): Promise<void> {
    await writeFile(`${this.path}~`, text);
    await rename(`${this.path}~`, this.path);
  }

  async until(...lines: string[]): Promise<void> {
    while (this.lines.length < lines.length) await sleep(5);
    expect(this.lines).toEqual(lines);
  }
}

async function started(text = 'one.'): Promise<Told> {
  const told = new Told();
  await writeFile(told.path, text);
  told.follow();
  await told.until(text);
  return told;
}

test('a file is told when it is followed, and again each time that another is put in its place', async () => {
  const told = await started();
  await told.replace('two.');
  await told.until('one.', 'two.');
  await told.replace('three.');
  await told.until('one.', 'two.', 'three.');
});

test('a file that is written in place is told', async () => {
  const told = await started();
  await writeFile(told.path, 'two.');
  // Opening it to write empties it, which may be seen; it lasts no longer than a moment.
  await told.until('one.', 'two.');
});

test('half of what is being written is not told, the whole of it is', async () => {
  const told = await started();
  await writeFile(told.path, 'first half');
  await sleep(100);
  await appendFile(told.path, ', second half.');
  await told.until('one.', 'first half, second half.');
});

test('what stays bad is told as bad, once, and what is good again is told', async () => {
  const told = await started();
  await told.replace('bad');
  await told.until('one.', 'bad: bad');
  await told.replace('two.');
  await told.until('one.', 'bad: bad', 'two.');
});

test('the same text is told once, however often it is written', async () => {
  const told = await started();
  for (let time = 0; time < 3; time++) await told.replace('one.');
  await told.replace('two.');
  await told.until('one.', 'two.');
});

test('a file that is away for a moment is not missed', async () => {
  const told = await started();
  await unlink(told.path);
  await sleep(200);
  await writeFile(told.path, 'two.');
  await told.until('one.', 'two.');
});

test('a file that stays away is said to be, once, and is told when it is back though it says the same', async () => {
  const told = await started();
  await unlink(told.path);
  await told.until('one.', 'away: there is no such file');
  await writeFile(told.path, 'one.');
  await told.until('one.', 'away: there is no such file', 'one.');
});

test('a link to a link that is turned to elsewhere is followed, as mounted configuration is', async () => {
  const told = new Told();
  for (const [name, text] of [
    ['v1', 'one.'],
    ['v2', 'two.'],
  ] as const) {
    await mkdir(join(directory.path, name));
    await writeFile(join(directory.path, name, 'file.json'), text);
  }
  await symlink('v1', join(directory.path, '..data'));
  await symlink('..data/file.json', told.path);
  told.follow();
  await told.until('one.');
  await symlink('v2', join(directory.path, '..data_new'));
  await rename(join(directory.path, '..data_new'), join(directory.path, '..data'));
  await rm(join(directory.path, 'v1'), { recursive: true });
  await told.until('one.', 'two.');
});

test('a directory in its place is away, and says what it is', async () => {
  const told = await started();
  await unlink(told.path);
  await mkdir(told.path);
  await told.until('one.', expect.stringContaining('away: it is'));
});

test('stopped, it tells nothing any more', async () => {
  const told = await started();
  await watches.splice(0)[0]?.stop();
  await told.replace('two.');
  const other = new Told().follow();
  await other.until('two.');
  expect(told.lines).toEqual(['one.']);
});

test('a process that has nothing else to do ends, though it follows a file', async () => {
  const told = new Told();
  await writeFile(told.path, 'one.');
  const module = new URL('../../src/platform/file-watch.ts', import.meta.url).href;
  const script = `
    import { FileWatch } from ${JSON.stringify(module)};
    const says = (text) => console.log(text) === undefined;
    new FileWatch(${JSON.stringify(told.path)}, { says, away: console.log });`;
  const child = new Program(['--input-type=module', '-e', script]);
  // A test that hangs is one that fails; the process must not stay.
  const timer = setTimeout(() => void child.kill(), 4000);
  const { code, stderr } = await child.ends();
  clearTimeout(timer);
  expect(stderr).toBe('');
  expect(code).toBe(0);
});

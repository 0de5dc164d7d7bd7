import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { openDisk, without } from '../../src/platform/disk.ts';
import { diskError } from '../../src/platform/disk-error.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const directory = temporaryDirectory();
const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (from: Uint8Array): string => Buffer.from(from).toString();

test('a data directory is made with its parents', async () => {
  const disk = await openDisk(join(directory.path, 'a', 'b', 'c'));
  expect(await disk.list('')).toEqual([]);
  expect(disk.root).toBe(join(directory.path, 'a', 'b', 'c'));
});

test('what is written at an offset is read from there, and reading past the end gives what there is', async () => {
  const disk = await openDisk(directory.path);
  const file = await disk.open('log', { create: true });
  await file.write(0, [bytes('hello '), bytes(''), bytes('world')]);
  await file.write(6, [bytes('chain')]);
  await file.sync();
  expect(text(await file.read(0, 11))).toBe('hello chain');
  expect(text(await file.read(6, 100))).toBe('chain');
  expect(await file.read(50, 10)).toHaveLength(0);
  await file.truncate(5);
  expect(await file.size()).toBe(5);
  await file.close();
});

test('a list of more chunks than one system call takes is written whole', async () => {
  const disk = await openDisk(directory.path);
  const file = await disk.open('log', { create: true });
  const chunks = Array.from({ length: 5000 }, (_, i) => bytes(`${i};`));
  await file.write(3, chunks);
  const expected = `\0\0\0${chunks.map(text).join('')}`;
  expect(await readFile(join(directory.path, 'log'), 'utf8')).toBe(expected);
  await file.close();
});

test('behind a write that took only a part, exactly the rest is left', () => {
  const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 9 }), { minLength: 1 });
  fc.assert(
    fc.property(chunks, fc.nat(100), (list, taken) => {
      const whole = Buffer.concat(list);
      expect(Buffer.concat(without(list, taken))).toEqual(whole.subarray(taken));
    }),
  );
});

test('create makes a file that must not be there yet; else it must be', async () => {
  const disk = await openDisk(directory.path);
  await expect(disk.open('log', { create: false })).rejects.toMatchObject({ code: 'DISK_FAILED' });
  const file = await disk.open('log', { create: true });
  await file.close();
  await expect(disk.open('log', { create: true })).rejects.toMatchObject({ code: 'DISK_FAILED' });
});

test('a file that is open goes on being read when it is removed or replaced', async () => {
  const disk = await openDisk(directory.path);
  const [old, other] = [await disk.open('old', { create: true }), await disk.open('new', { create: true })];
  await old.write(0, [bytes('old')]);
  await other.write(0, [bytes('new')]);
  await disk.rename('new', 'old');
  expect(text(await old.read(0, 3))).toBe('old');
  await disk.remove('old');
  expect(text(await other.read(0, 3))).toBe('new');
  await Promise.all([old.close(), other.close()]);
});

test('names are listed sorted, a directory that is not there is empty, removing nothing is nothing', async () => {
  const disk = await openDisk(directory.path);
  await disk.makeDirectory('deep/er');
  await disk.makeDirectory('deep/er');
  for (const name of ['deep/b', 'deep/a']) await (await disk.open(name, { create: true })).close();
  expect(await disk.list('deep')).toEqual(['a', 'b', 'er']);
  await disk.rename('deep/b', 'deep/a');
  await disk.remove('deep/never');
  await disk.syncDirectory('deep');
  await disk.syncDirectory('');
  expect(await disk.list('deep')).toEqual(['a', 'er']);
  expect(await disk.list('nowhere')).toEqual([]);
});

test('no path leaves the data directory', async () => {
  const disk = await openDisk(directory.path);
  await expect(disk.open('../outside', { create: true })).rejects.toThrow('leaves its data directory');
});

test('a failure names the file, the operation and what to do', async () => {
  await writeFile(join(directory.path, 'file'), '');
  await expect(openDisk(join(directory.path, 'file', 'below'))).rejects.toMatchObject({
    code: 'DISK_FAILED',
    message: expect.stringMatching(/file\/below: making the directory failed: .*--data/),
  });
  const failures = [
    ['ENOSPC', 'DISK_FULL', 'Free space'],
    ['EDQUOT', 'DISK_FULL', 'quota'],
    ['EROFS', 'DISK_FAILED', 'read-only'],
    ['EIO', 'DISK_FAILED', 'system log'],
  ] as const;
  for (const [errno, code, todo] of failures) {
    const error = diskError(Object.assign(new Error('low'), { code: errno }), 'writing', 'n1/log');
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/^n1\/log: writing failed: /);
    expect(error.message).toContain(errno);
    expect(error.message).toContain(todo);
  }
});

test('a file system that takes no directories is told at once, and never asked for ever', async () => {
  // Node's recursive mkdir never comes back from there.
  const refused = openDisk('/proc/catena/n1');
  await expect(refused).rejects.toMatchObject({
    code: 'DISK_FAILED',
    message: expect.stringMatching(/^\/proc.*: making the directory failed: .*--data/),
  });
});

test('a directory whose path is a file is refused in words', async () => {
  const path = join(directory.path, 'file');
  await writeFile(path, '');
  await expect(openDisk(path)).rejects.toMatchObject({
    message: expect.stringContaining('is a file, not a'),
  });
});

test('a directory that several make at once is made, for each of them', async () => {
  const path = join(directory.path, 'a', 'b');
  const disks = await Promise.all([openDisk(path), openDisk(path), openDisk(path)]);
  expect(disks.map(({ root }) => root)).toEqual([path, path, path]);
});

test('a lock is refused to others until it is released, in the same process too', async () => {
  const disk = await openDisk(directory.path);
  const other = await openDisk(directory.path);
  const lock = await disk.lock('lock');
  expect(lock).not.toBeNull();
  expect(await other.lock('lock')).toBeNull();
  await lock?.release();
  await lock?.release();
  const again = await other.lock('lock');
  expect(again).not.toBeNull();
  await again?.release();
});

test('a lock held by another process is gone with that process, even when it is killed', async () => {
  const disk = await openDisk(directory.path);
  const holder = lockElsewhere(directory.path);
  expect(await firstLine(holder)).toBe('locked');
  expect(await disk.lock('lock')).toBeNull();
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  const lock = await disk.lock('lock');
  expect(lock).not.toBeNull();
  await lock?.release();
});

function lockElsewhere(root: string): ReturnType<typeof spawn> {
  const module = new URL('../../src/platform/disk.ts', import.meta.url).href;
  const script = `
    import { openDisk } from ${JSON.stringify(module)};
    const disk = await openDisk(${JSON.stringify(root)});
    console.log((await disk.lock('lock')) === null ? 'refused' : 'locked');
    setInterval(() => {}, 1000);`;
  return spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function firstLine(child: ReturnType<typeof spawn>): Promise<string> {
  for await (const chunk of child.stdout ?? []) return String(chunk).trim();
  return 'it ended without a word';
}

import { systemClock } from '../../src/platform/clock.ts';
import type { Disk } from '../../src/ports/disk.ts';
import { Life } from '../../src/testing/life.ts';
import { MemoryDirectory } from '../../src/testing/memory-disk.ts';

const bytes = (text: string) => Buffer.from(text);

function mounted(directory = new MemoryDirectory('test')): { life: Life; disk: Disk } {
  const life = new Life(systemClock);
  return { life, disk: directory.mountedBy(life) };
}

async function textOf(disk: Disk, path: string): Promise<string> {
  const file = await disk.open(path, { create: false });
  return Buffer.from(await file.read(0, await file.size())).toString();
}

test('a file holds what was written where, and zeros in between', async () => {
  const { disk } = mounted();
  const file = await disk.open('file', { create: true });
  await file.write(0, [bytes('abc'), bytes('def')]);
  await file.write(4, [bytes('XY')]);
  await file.truncate(3);
  await file.write(5, [bytes('z')]);
  expect(await textOf(disk, 'file')).toBe('abc\0\0z');
  expect(Buffer.from(await file.read(1, 2)).toString()).toBe('bc');
  expect(await file.read(4, 100)).toHaveLength(2);
});

test('names are made, listed, moved and removed as on a disk', async () => {
  const { disk } = mounted();
  await expect(disk.open('deep/down/file', { create: true })).rejects.toMatchObject({ code: 'DISK_FAILED' });
  await disk.makeDirectory('deep/down');
  const file = await disk.open('deep/down/file', { create: true });
  await file.write(0, [bytes('moved')]);
  await expect(disk.open('deep/down/file', { create: true })).rejects.toMatchObject({ code: 'DISK_FAILED' });
  await disk.rename('deep/down/file', 'top');
  expect([await disk.list(''), await disk.list('deep'), await disk.list('deep/down')]).toEqual([
    ['deep', 'top'],
    ['down'],
    [],
  ]);
  expect(await textOf(disk, 'top')).toBe('moved');
  await disk.remove('top');
  await disk.remove('top');
  await expect(disk.open('top', { create: false })).rejects.toMatchObject({ code: 'DISK_FAILED' });
  expect(Buffer.from(await file.read(0, 5)).toString()).toBe('moved');
});

test('a lock is held until its process lets go of it or dies', async () => {
  const directory = new MemoryDirectory('test');
  const one = mounted(directory);
  const other = mounted(directory);
  const lock = await one.disk.lock('lock');
  expect(await other.disk.lock('lock')).toBeNull();
  await lock?.release();
  expect(await other.disk.lock('lock')).not.toBeNull();
  // A second release must not free what another one holds.
  await lock?.release();
  expect(await one.disk.lock('lock')).toBeNull();
  await other.life.end();
  expect(await one.disk.lock('lock')).not.toBeNull();
});

test('of what the dead ask for nothing comes about, and what they wrote is there', async () => {
  const directory = new MemoryDirectory('test');
  const { life, disk } = mounted(directory);
  const file = await disk.open('file', { create: true });
  await file.write(0, [bytes('kept')]);
  const ended: string[] = [];
  void file.sync().then(() => ended.push('sync'));
  await life.end();
  void disk.remove('file').then(() => ended.push('remove'));
  const after = mounted(directory).disk;
  expect(await textOf(after, 'file')).toBe('kept');
  expect(ended).toEqual([]);
});

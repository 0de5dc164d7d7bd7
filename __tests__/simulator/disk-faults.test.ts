import { codeOf, DiskWorld, found, over, synced, text } from './disk-world.ts';

const SEEDS = 200;

describe('a fault', () => {
  test('of each kind fails the next such operation, and only that one', async () => {
    const world = new DiskWorld(1);
    const file = await synced(world, 'a', 'a');
    const { own } = world;
    const operations = {
      read: () => file.read(0, 1),
      write: () => file.write(0, text('b')),
      sync: () => file.sync(),
      name: () => own.makeDirectory('d'),
      'sync-directory': () => own.syncDirectory(''),
    } as const;
    for (const kind of Object.keys(operations) as (keyof typeof operations)[]) {
      world.disk.fail(kind);
      for (const [other, operation] of Object.entries(operations)) {
        if (other !== kind) expect(await world.when(codeOf(operation()))).toBe('done');
      }
      expect(await world.when(codeOf(operations[kind]()))).toBe('DISK_FAILED');
      expect(await world.when(codeOf(operations[kind]()))).toBe('done');
    }
  });

  test('of a write leaves any part of it', async () => {
    const answers = await over(SEEDS, async (world) => {
      const file = await synced(world, 'a', '');
      world.disk.fail('write');
      expect(await world.when(codeOf(file.write(0, [...text('1'), ...text('23')])))).toBe('DISK_FAILED');
      return found(world, 'a');
    });
    expect([...answers.keys()].sort()).toEqual(['', '1', '12', '123']);
  });

  test('of a sync loses what it was to cover in some power cuts, though a later sync is said to be done', async () => {
    const answers = await over(SEEDS, async (world) => {
      const file = await synced(world, 'a', 'a');
      await world.when(file.write(1, text('b')));
      world.disk.fail('sync');
      expect(await world.when(codeOf(file.sync()))).toBe('DISK_FAILED');
      expect(await world.when(codeOf(file.sync()))).toBe('done');
      await world.when(file.write(2, text('c')));
      await world.when(file.sync());
      expect(found(world, 'a')).toBe('abc');
      await world.when(file.write(3, text('d')));
      world.cut();
      return found(world, 'a')?.slice(0, 3).replace('\0', '0');
    });
    expect([...answers.keys()].sort()).toEqual(['a0c', 'abc']);
  });

  test('of a sync is made good by writing the same again', async () => {
    await over(SEEDS, async (world) => {
      const file = await synced(world, 'a', 'a');
      await world.when(file.write(1, text('b')));
      world.disk.fail('sync');
      await world.when(codeOf(file.sync()));
      await world.when(file.write(1, text('b')));
      await world.when(file.sync());
      world.cut();
      expect(found(world, 'a')).toBe('ab');
    });
  });

  test('of a directory sync leaves its names to be synced again', async () => {
    const answers = await over(SEEDS, async (world, seed) => {
      await world.when(world.own.open('a', { create: true }));
      world.disk.fail('sync-directory');
      expect(await world.when(codeOf(world.own.syncDirectory('')))).toBe('DISK_FAILED');
      if (seed % 2 === 0) await world.when(world.own.syncDirectory(''));
      world.cut();
      return `${seed % 2} ${world.disk.paths()}`;
    });
    expect([...answers.keys()].sort()).toEqual(['0 a', '1 ', '1 a']);
  });
});

test('a full disk takes no write that grows a file, but maybe a part of it, until there is room', async () => {
  const answers = await over(SEEDS, async (world) => {
    const file = await synced(world, 'a', 'abc');
    world.disk.full(true);
    expect(await world.when(codeOf(file.write(0, text('x'))))).toBe('done');
    expect(await world.when(codeOf(file.write(2, text('123'))))).toBe('DISK_FULL');
    const left = found(world, 'a') ?? '';
    world.disk.full(false);
    expect(await world.when(codeOf(file.write(2, text('123'))))).toBe('done');
    expect(found(world, 'a')).toBe('xb123');
    return left;
  });
  expect([...answers.keys()].sort()).toEqual(['xb1', 'xb12']);
});

describe('a flipped bit', () => {
  const bitsThatDiffer = (a: Buffer, b: Buffer) =>
    [...a.entries()].flatMap(([at, byte]) => (byte === b[at] ? [] : [{ at, mask: byte ^ (b[at] ?? 0) }]));

  test('in the log is one that a later sync has followed with more, and spares what comes after', async () => {
    const places = new Set<number>();
    await over(SEEDS, async (world) => {
      await world.when(world.own.makeDirectory('log'));
      const file = await world.when(world.own.open('log/1', { create: true }));
      for (const path of ['', 'log']) await world.when(world.own.syncDirectory(path));
      const put = async (at: number) => {
        await file.write(at, text('abcd'));
        await file.sync();
      };
      await world.when(file.write(0, text('abcd')));
      expect(world.disk.flipBit('log')).toBe(false);
      await world.when(put(0));
      // A sync that finds nothing new tells nothing of what is there.
      await world.when(file.sync());
      expect(world.disk.flipBit('log')).toBe(false);
      await world.when(put(4));
      await world.when(file.write(8, text('wxyz')));
      const before = world.disk.bytesOf('log/1');
      expect(world.disk.flipBit('log')).toBe(true);
      const [flipped, ...others] = bitsThatDiffer(before, world.disk.bytesOf('log/1'));
      expect(others).toEqual([]);
      expect(Math.log2(flipped?.mask ?? 0) % 1).toBe(0);
      places.add(flipped?.at ?? -1);
      const damaged = world.disk.bytesOf('log/1');
      world.cut();
      expect(bitsThatDiffer(damaged.subarray(0, 8), world.disk.bytesOf('log/1'))).toEqual([]);
    });
    expect([...places].sort()).toEqual([0, 1, 2, 3]);
  });

  test('elsewhere is any that was synced, and none where nothing was', async () => {
    await over(20, async (world) => {
      expect(world.disk.flipBit('meta')).toBe(false);
      const file = await synced(world, 'meta', 'abcd');
      await world.when(file.write(4, text('efgh')));
      expect(world.disk.flipBit('log')).toBe(false);
      expect(world.disk.flipBit('snapshot')).toBe(false);
      expect(world.disk.flipBit('meta')).toBe(true);
      const changed = bitsThatDiffer(Buffer.from('abcdefgh'), world.disk.bytesOf('meta'));
      expect(changed).toHaveLength(1);
      expect(changed[0]?.at).toBeLessThan(4);
    });
  });
});

test('another disk is empty and sound, and what an operator removes never comes back', async () => {
  await over(20, async (world) => {
    await synced(world, 'a', 'a');
    await world.when(world.own.makeDirectory('d'));
    await world.when(world.own.rename('a', 'd/a'));
    await synced(world, 'dd', 'b');
    world.disk.removeUnder('d');
    expect(world.disk.paths()).toEqual(['dd']);
    world.cut();
    expect(world.disk.paths().filter((path) => path.startsWith('d/'))).toEqual([]);
    world.disk.fail('name');
    world.disk.full(true);
    world.machine.kill();
    world.disk.wipe();
    world.machine.boot();
    expect(world.disk.paths()).toEqual([]);
    await synced(world, 'a', 'a');
  });
});

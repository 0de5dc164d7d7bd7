import { Prng } from '../../src/base/prng.ts';
import type { DiskFile } from '../../src/ports/disk.ts';
import { codeOf, DiskWorld, found, over, synced, text } from './disk-world.ts';

const SEEDS = 200;

describe('a power cut', () => {
  test('leaves what was synced, and of a write that was not all, a part or nothing', async () => {
    const answers = await over(SEEDS, async (world) => {
      const file = await synced(world, 'a', 'synced');
      await world.when(file.write(6, text('1234')));
      world.cut();
      const left = found(world, 'a') ?? '';
      expect(left.slice(0, 6)).toBe('synced');
      expect(left.slice(6)).toMatch(/^[1\0]?[2\0]?[3\0]?[4\0]?$/);
      if (left.length === 6) return 'nothing';
      return left === 'synced1234' ? 'whole' : 'part';
    });
    for (const answer of ['nothing', 'part', 'whole'])
      expect(answers.get(answer)).toBeGreaterThan(SEEDS / 10);
  });

  test('may tear an overwrite at any byte, and leaves each byte old or new', async () => {
    const answers = await over(SEEDS, async (world) => {
      const file = await synced(world, 'a', 'oooooooo');
      await world.when(file.write(2, text('nnnn')));
      world.cut();
      expect(found(world, 'a')).toMatch(/^oo[on]{4}oo$/);
      return found(world, 'a');
    });
    for (let i = 2; i < 6; i++)
      expect([...answers.keys()].some((left) => left[i] !== left[i + 1])).toBe(true);
  });

  test('leaves a later write that was not synced without an earlier one, in some worlds', async () => {
    const answers = await over(SEEDS, async (world) => {
      const file = await synced(world, 'a', '');
      await world.when(file.write(0, text('x')));
      await world.when(file.write(1, text('y')));
      world.cut();
      return found(world, 'a')?.replaceAll('\0', '0');
    });
    expect([...answers.keys()].sort()).toEqual(expect.arrayContaining(['', '0y', 'x', 'xy']));
  });

  test('takes back a truncation that was not synced, or does not', async () => {
    const answers = await over(SEEDS, async (world) => {
      const file = await synced(world, 'a', 'abcdef');
      await world.when(file.truncate(2));
      expect(found(world, 'a')).toBe('ab');
      world.cut();
      return found(world, 'a');
    });
    expect([...answers.keys()].sort()).toEqual(['ab', 'abcdef']);
  });

  test('never takes back a truncation that was synced', async () => {
    await over(SEEDS, async (world) => {
      const file = await synced(world, 'a', 'abcdef');
      await world.when(file.truncate(2));
      await world.when(file.sync());
      await world.when(file.write(4, text('z')));
      world.cut();
      expect(found(world, 'a')).toMatch(/^ab(\0\0[z\0])?$/);
    });
  });

  test('after any work changes no byte that nothing touched since the last sync', async () => {
    await over(SEEDS, async (world, seed) => {
      const random = new Prng(seed).fork('work');
      const file = await synced(world, 'a', '');
      const model = new Model();
      for (let i = random.below(40); i >= 0; i--) await world.when(model.act(file, random));
      expect(found(world, 'a')).toBe(model.now.toString('latin1'));
      world.cut();
      model.judge(world.disk.bytesOf('a'));
    });
  });

  test('leaves for good what it left', async () => {
    await over(SEEDS, async (world) => {
      const file = await synced(world, 'a', 'ab');
      await world.when(file.write(1, text('xyz')));
      world.cut();
      const left = found(world, 'a');
      world.cut();
      expect(found(world, 'a')).toBe(left);
    });
  });

  test('may take the last write though a sync of it is under way, and nothing once that has ended', async () => {
    const answers = await over(SEEDS, async (world) => {
      const file = await synced(world, 'a', '');
      await world.when(file.write(0, text('1')));
      void file.sync();
      world.cut();
      return found(world, 'a');
    });
    expect([...answers.keys()].sort()).toEqual(expect.arrayContaining(['', '1']));
  });

  test('may take a write that came while a sync was under way', async () => {
    const answers = await over(SEEDS, async (world) => {
      const file = await synced(world, 'a', '');
      await world.when(file.write(0, text('1')));
      const syncing = file.sync();
      await world.when(Promise.all([syncing, file.write(1, text('2'))]));
      world.cut();
      return found(world, 'a')?.replaceAll('\0', '0');
    });
    expect([...answers.keys()].sort()).toEqual(['1', '10', '12']);
  });
});

/** What a file should hold: now, as it was last synced, and which bytes may be anything in between. */
class Model {
  now = Buffer.alloc(0);
  #synced = Buffer.alloc(0);
  #touched = new Set<number>();
  #sizes = [0];

  async act(file: DiskFile, random: Prng): Promise<void> {
    const luck = random.next();
    if (luck < 0.2) {
      await file.sync();
      this.#synced = Buffer.from(this.now);
      this.#touched.clear();
      this.#sizes = [this.now.length];
    } else if (luck < 0.35) {
      const size = random.below(60);
      await file.truncate(size);
      this.#become(size, Math.min(size, this.now.length), Math.max(size, this.now.length));
    } else {
      const bytes = Buffer.alloc(1 + random.below(20), 65 + random.below(26));
      const offset = random.below(60);
      await file.write(offset, [bytes.subarray(0, 1), bytes.subarray(1)]);
      const end = offset + bytes.length;
      this.#become(Math.max(this.now.length, end), Math.min(offset, this.now.length), end);
      bytes.copy(this.now, offset);
    }
  }

  judge(left: Buffer): void {
    expect(left.length).toBeGreaterThanOrEqual(Math.min(...this.#sizes));
    expect(left.length).toBeLessThanOrEqual(Math.max(...this.#sizes));
    for (const [at, byte] of this.#synced.entries()) if (!this.#touched.has(at)) expect(left[at]).toBe(byte);
  }

  #become(size: number, from: number, to: number): void {
    const next = Buffer.alloc(size);
    this.now.copy(next);
    this.now = next;
    this.#sizes.push(size);
    for (let at = from; at < to; at++) this.#touched.add(at);
  }
}

describe('names', () => {
  test('last once their directory is synced, and only then, whatever was synced of the file', async () => {
    const answers = await over(SEEDS, async (world) => {
      await synced(world, 'kept', 'k');
      const file = await world.when(world.own.open('new', { create: true }));
      await world.when(file.write(0, text('n')));
      await world.when(file.sync());
      world.cut();
      expect(found(world, 'kept')).toBe('k');
      return found(world, 'new');
    });
    expect([...answers.keys()].sort()).toEqual(['n', 'null']);
  });

  test('that were removed or replaced and not synced may come back, and never both go', async () => {
    const answers = await over(SEEDS, async (world) => {
      for (const path of ['a', 'b', 'c']) await synced(world, path, path);
      await world.when(world.own.rename('a', 'b'));
      await world.when(world.own.remove('c'));
      expect(world.disk.paths()).toEqual(['b']);
      world.cut();
      return ['a', 'b', 'c'].map((path) => found(world, path)).join();
    });
    // As strings, an absent one is empty.
    expect([...answers.keys()].sort()).toEqual([',a,', ',a,c', 'a,b,', 'a,b,c']);
  });

  test('that moved to another directory are there in at least one of the two', async () => {
    const answers = await over(SEEDS, async (world, seed) => {
      await world.when(world.own.makeDirectory('d'));
      await synced(world, 'a', 'a');
      await world.when(world.own.rename('a', 'd/a'));
      if (seed % 2 === 0) await world.when(world.own.syncDirectory(seed % 4 === 0 ? 'd' : ''));
      world.cut();
      return `${seed % 4} ${world.disk.paths()}`;
    });
    const of = (last: number) => [...answers.keys()].filter((key) => key.startsWith(String(last))).sort();
    expect(of(1)).toEqual(['1 a', '1 a,d/a', '1 d/a']);
    expect(of(0)).toEqual(['0 a,d/a', '0 d/a']);
    expect(of(2)).toEqual(['2 d/a']);
  });

  test('in a directory that was never synced go with it', async () => {
    const answers = await over(SEEDS, async (world) => {
      await world.when(world.own.makeDirectory('d/e'));
      await world.when(world.own.open('d/e/a', { create: true }));
      await world.when(world.own.syncDirectory('d/e'));
      expect(await world.when(world.own.list('d'))).toEqual(['e']);
      world.cut();
      return world.disk.paths();
    });
    expect([...answers.keys()].sort()).toEqual(['', 'd/e/a']);
  });

  test('are listed in order, a directory that is not there as empty', async () => {
    const world = new DiskWorld(1);
    for (const path of ['b', 'a']) await synced(world, path, path);
    await world.when(world.own.makeDirectory('c'));
    expect(await world.when(world.own.list(''))).toEqual(['a', 'b', 'c']);
    expect(await world.when(world.own.list('d'))).toEqual([]);
  });

  test('that make no sense are refused, as the system refuses them', async () => {
    const world = new DiskWorld(1);
    await synced(world, 'a', 'a');
    await world.when(world.own.makeDirectory('d'));
    const { own } = world;
    const wrong = [
      own.open('none', { create: false }),
      own.open('a', { create: true }),
      own.open('none/a', { create: true }),
      own.open('d', { create: false }),
      own.rename('none', 'b'),
      own.rename('a', 'none/a'),
      own.rename('a', 'd'),
      own.remove('d'),
      own.makeDirectory('a/d'),
      own.syncDirectory('none'),
    ];
    const codes = await world.when(Promise.all(wrong.map(codeOf)));
    expect(codes).toEqual(wrong.map(() => 'DISK_FAILED'));
    expect(await world.when(codeOf(own.remove('none')))).toBe('done');
  });

  test('that go or are replaced leave what has them open readable', async () => {
    const world = new DiskWorld(1);
    const [a, b] = [await synced(world, 'a', 'aa'), await synced(world, 'b', 'bb')];
    await world.when(world.own.rename('a', 'b'));
    expect(String(await world.when(b.read(0, 9)))).toBe('bb');
    await world.when(world.own.remove('b'));
    expect(String(await world.when(a.read(1, 9)))).toBe('a');
    expect(world.disk.paths()).toEqual([]);
  });
});

describe('a process that dies', () => {
  test('leaves what it wrote, and of what was in flight each thing happened or did not', async () => {
    const answers = await over(SEEDS, async (world) => {
      const file = await synced(world, 'a', 'a');
      await world.when(file.write(1, text('b')));
      void file.write(2, text('c'));
      void world.own.open('new', { create: true });
      world.kill();
      expect(found(world, 'a')).toMatch(/^abc?$/);
      return world.disk.paths().length + (found(world, 'a') ?? '');
    });
    expect([...answers.keys()].sort()).toEqual(['1ab', '1abc', '2ab', '2abc']);
  });

  test('syncs nothing by dying: a power cut after it may take what was written', async () => {
    const answers = await over(SEEDS, async (world) => {
      const file = await synced(world, 'a', 'a');
      await world.when(file.write(1, text('b')));
      world.kill();
      world.cut();
      return found(world, 'a')?.replace('\0', '0');
    });
    expect([...answers.keys()].sort()).toEqual(['a', 'a0', 'ab']);
  });

  test('gets no result any more, and changes nothing any more', async () => {
    await over(20, async (world) => {
      const { own } = world;
      const file = await synced(world, 'a', 'a');
      let results = 0;
      const count = () => {
        results++;
      };
      file.write(1, text('b')).then(count, count);
      file.read(0, 1).then(count, count);
      world.kill();
      const left = found(world, 'a');
      file.write(0, text('zzz')).then(count, count);
      own.remove('a').then(count, count);
      await world.pass(1000);
      expect(results).toBe(0);
      expect(found(world, 'a')).toBe(left);
    });
  });

  test('frees its locks; one that is paused, or lives, does not', async () => {
    const world = new DiskWorld(1);
    const before = await world.when(world.own.lock('LOCK'));
    expect(before).not.toBeNull();
    expect(await world.when(world.own.lock('LOCK'))).toBeNull();
    world.process.pause();
    const other = world.disk.of(world.process);
    const asked = other.lock('LOCK');
    await world.pass(100);
    world.process.goOn();
    expect(await world.when(asked)).toBeNull();
    world.kill();
    const after = await world.when(world.own.lock('LOCK'));
    // The dead one's lock is another: releasing it frees nothing.
    await before?.release();
    expect(await world.when(world.own.lock('LOCK'))).toBeNull();
    await after?.release();
    expect(await world.when(world.own.lock('LOCK'))).not.toBeNull();
  });
});

test('a paused process gets its results when it goes on, and the disk does not wait for it', async () => {
  const world = new DiskWorld(1);
  const file = await synced(world, 'a', '');
  let isDone = false;
  const writing = file.write(0, text('x')).then(() => {
    isDone = true;
  });
  world.process.pause();
  await world.pass(1000);
  expect(found(world, 'a')).toBe('x');
  expect(isDone).toBe(false);
  world.process.goOn();
  await world.when(writing);
  expect(isDone).toBe(true);
});

describe('time', () => {
  test('goes by with every operation, and on a slow disk so much more of it', async () => {
    const total = async (factor: number) => {
      const world = new DiskWorld(7);
      world.disk.slow(factor);
      const file = await world.when(world.own.open('a', { create: true }));
      const times = [
        await world.timed(file.write(0, text('a'))),
        await world.timed(file.read(0, 1)),
        await world.timed(file.size()),
        await world.timed(file.sync()),
        await world.timed(file.truncate(0)),
        await world.timed(world.own.list('')),
        await world.timed(world.own.rename('a', 'b')),
        await world.timed(world.own.syncDirectory('')),
        await world.timed(file.close()),
      ];
      for (const time of times) expect(time).toBeGreaterThan(0);
      return times.reduce((sum, time) => sum + time);
    };
    expect((await total(50)) / (await total(1))).toBeCloseTo(50);
  });

  test('of a sync is now and then much longer', async () => {
    const world = new DiskWorld(1);
    const file = await synced(world, 'a', '');
    const times: number[] = [];
    for (let i = 0; i < 500; i++) times.push(await world.timed(file.sync()));
    const long = times.filter((time) => time > 30).length;
    expect(long).toBeGreaterThan(0);
    expect(long).toBeLessThan(50);
  });

  test('may end writes in another order than they began, and reads see what has ended', async () => {
    const answers = await over(50, async (world) => {
      const file = await synced(world, 'a', '.');
      const seen: string[] = [];
      const writes = ['1', '2'].map(async (letter) => {
        await file.write(0, text(letter));
        expect(found(world, 'a')).toBe(letter);
        seen.push(letter);
      });
      await world.when(Promise.all(writes));
      expect(String(await world.when(file.read(0, 1)))).toBe(seen.at(-1));
      return seen.join('');
    });
    expect([...answers.keys()].sort()).toEqual(['12', '21']);
  });
});

test('the same seed gives the same course, another seed another one', async () => {
  const course = async (seed: number): Promise<string> => {
    const world = new DiskWorld(seed);
    const lines: string[] = [];
    for (let round = 0; round < 3; round++) {
      const file = await synced(world, `a${round}`, 'abc');
      if (round === 1) world.disk.fail('write');
      const writes = [1, 2, 3].map(async (at) => {
        const code = await codeOf(file.write(at, text(`${at}${at}`)));
        lines.push(`${world.scheduler.nowMs} ${at} ${code}`);
      });
      await world.when(Promise.all(writes));
      void file.write(0, text('z'));
      if (round === 1) world.kill();
      else world.cut();
      lines.push(...world.disk.paths().map((path) => `${path} ${found(world, path)}`));
    }
    return lines.join('\n');
  };
  expect(await course(5)).toBe(await course(5));
  expect(await course(5)).not.toBe(await course(6));
});

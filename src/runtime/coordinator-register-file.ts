import {
  decodeRegister,
  EMPTY_REGISTER,
  encodeRegister,
  REGISTER_BYTES_MAX,
  type Register,
} from '../coordinator/register.ts';
import type { Disk } from '../ports/disk.ts';
import { writeAside } from '../storage/write-aside.ts';

/** The register's file in the coordinator's data directory. */
const REGISTER_FILE = 'register.json';

/**
 * The register on disk; the empty one if there is none.
 *
 * @throws CatenaError CORRUPT, UNSUPPORTED_FORMAT, DISK_FAILED, naming the file and what to do.
 */
export async function readRegister(disk: Disk): Promise<Register> {
  const names = await disk.list('');
  if (!names.includes(REGISTER_FILE)) return EMPTY_REGISTER;
  const bytes = await readSynced(disk);
  await disk.syncDirectory('');
  return decodeRegister(bytes, `${disk.root}/${REGISTER_FILE}`);
}

/**
 * Replaces the register on disk: after a crash the old one or the new one is there, whole.
 *
 * @throws CatenaError DISK_FULL, DISK_FAILED; either may be in force after a crash then.
 */
export function writeRegister(disk: Disk, register: Register): Promise<void> {
  return writeAside(disk, REGISTER_FILE, (file) => file.write(0, [encodeRegister(register)]));
}

async function readSynced(disk: Disk): Promise<Uint8Array> {
  const file = await disk.open(REGISTER_FILE, { create: false });
  try {
    // One byte more than the most, so that a longer file fails its check rather than fill the memory.
    const size = Math.min(await file.size(), REGISTER_BYTES_MAX + 1);
    // A process that died before its sync left what a power cut can still take back, and it will be told now.
    await file.sync();
    return await file.read(0, size);
  } finally {
    await file.close();
  }
}

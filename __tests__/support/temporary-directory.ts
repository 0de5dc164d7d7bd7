import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new empty directory on the real disk for each test of a file, removed behind it; call at the file's top level. */
export function temporaryDirectory(): { readonly path: string } {
  const directory = { path: '' };
  beforeEach(async () => {
    directory.path = await mkdtemp(join(tmpdir(), 'catena-test-'));
  });
  afterEach(async () => {
    // The children of a program that was just killed may write on for a moment, until they see that it is gone.
    await rm(directory.path, { recursive: true, force: true, maxRetries: 20, retryDelay: 20 });
  });
  return directory;
}

import { CatenaError, type ErrorCode, messageOf } from '../base/errors.ts';

interface Advice {
  readonly code: Extract<ErrorCode, 'DISK_FULL' | 'DISK_FAILED'>;
  /** What is wrong, as the end of a sentence. */
  readonly what: string;
  readonly todo: string;
}

const OTHERS: Advice = {
  code: 'DISK_FAILED',
  what: 'the disk answered with an error',
  todo: 'Look at the system log for this disk; replace it if it is failing, then start again.',
};

const ADVICE: Readonly<Record<string, Advice>> = {
  ENOSPC: {
    code: 'DISK_FULL',
    what: 'no space is left on the disk',
    todo: 'Free space on that disk.',
  },
  EDQUOT: {
    code: 'DISK_FULL',
    what: 'the disk quota is used up',
    todo: "Free space or raise this user's quota.",
  },
  EACCES: {
    code: 'DISK_FAILED',
    what: 'permission was denied',
    todo: 'Give this user the right to read and write there, or choose another directory with --data.',
  },
  EPERM: {
    code: 'DISK_FAILED',
    what: 'the operation is not permitted',
    todo: 'Give this user the right to read and write there, or choose another directory with --data.',
  },
  EROFS: {
    code: 'DISK_FAILED',
    what: 'the file system is mounted read-only',
    todo: 'Remount it for writing, or choose another directory with --data.',
  },
  ENOENT: {
    code: 'DISK_FAILED',
    what: 'there is no such file or directory',
    todo: 'See whether something removed it: nothing but catena may change a data directory.',
  },
  EEXIST: {
    code: 'DISK_FAILED',
    what: 'it is there already',
    todo: 'See what put it there: nothing but catena may change a data directory.',
  },
  ENOTDIR: {
    code: 'DISK_FAILED',
    what: 'it, or a part of its path, is a file, not a directory',
    todo: 'Choose another directory with --data.',
  },
  EMFILE: {
    code: 'DISK_FAILED',
    what: 'this process has too many open files',
    todo: 'Raise the limit (`ulimit -n`), then start again.',
  },
};

/** What a failed disk operation becomes: a `CatenaError` that names the file and the operation and says what to do. */
export function diskError(error: unknown, operation: string, path: string): CatenaError {
  if (error instanceof CatenaError) return error;
  const errno = errnoOf(error);
  const { code, what, todo } = ADVICE[errno ?? ''] ?? OTHERS;
  const detail = errno ?? messageOf(error);
  return new CatenaError(code, `${path}: ${operation} failed: ${what} (${detail}). ${todo}`, {
    cause: error,
  });
}

/** The system's name of an error, such as `ENOSPC`; not by `instanceof`, as Node's errors may be of another realm. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

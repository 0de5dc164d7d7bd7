/** The part that we use of a package that comes without types. */
declare module 'fs-native-extensions' {
  /** Locks the whole file for its open descriptor, exclusively; `false` when another one holds it. */
  export function tryLock(fd: number): boolean;
}

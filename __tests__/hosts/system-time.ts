/**
 * How far the clock that all processes of a machine share is ahead of this process's `performance.now()`, in ms. Both are the
 * system's monotonic clock, so it stays as it is.
 */
export function systemTimeAheadMs(): number {
  return Number(process.hrtime.bigint()) / 1e6 - performance.now();
}

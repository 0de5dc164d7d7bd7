/** Does something until Ctrl-C (or SIGTERM), which ends it well: the signal is aborted, and the exit code stays 0. */
export async function untilInterrupted(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const interrupt = new AbortController();
  const end = (): void => interrupt.abort();
  process.once('SIGINT', end).once('SIGTERM', end);
  try {
    await work(interrupt.signal);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
  } finally {
    process.off('SIGINT', end).off('SIGTERM', end);
  }
}

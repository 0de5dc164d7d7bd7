import type { ListenAt } from './listen-at.ts';

/** How long requests in flight may take to end when a server stops, in ms. */
const DRAIN_MS_MAX = 2000;

/** A node or a coordinator that runs. */
export interface Running {
  /** Takes no more requests, and resolves when those in flight have ended or had their time; once, however often called. */
  drain(): Promise<void>;
  /** Drains, ends the rest in order, and frees the data directory. */
  stop(): Promise<void>;
}

/** The two halves of a server: the HTTP side, and what stands behind it. */
export interface Halves {
  readonly http: { listen(at: ListenAt): Promise<unknown>; close(graceMs: number): Promise<void> };
  readonly driver: { start(): Promise<void>; stop(): Promise<void> };
}

/** Starts the HTTP side first, so that it can say what it waits for, and stops it first, so that nobody gets half an answer. */
export async function startHalves({ http, driver }: Halves, at: ListenAt): Promise<Running> {
  await http.listen(at);
  try {
    await driver.start();
  } catch (error) {
    await http.close(0);
    throw error;
  }
  let draining: Promise<void> | undefined;
  const drain = (): Promise<void> => {
    draining ??= http.close(DRAIN_MS_MAX);
    return draining;
  };
  return {
    drain,
    stop: async () => {
      await drain();
      await driver.stop();
    },
  };
}

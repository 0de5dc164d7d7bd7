/** A rate is taken over so long, in ms. */
const WINDOW_MS = 5000;
/** And from one look in so many ms, so that few are kept. */
const STEP_MS = 200;

/** How fast something has grown lately. */
export class TransferRate {
  /** Oldest first: `WINDOW_MS / STEP_MS` of them, and one. */
  #looks: { readonly atMs: number; readonly bytes: number }[] = [];

  /** It has come to `bytes` by now. */
  note(nowMs: number, bytes: number): void {
    const last = this.#looks.at(-1);
    if (last && nowMs - last.atMs < STEP_MS) return;
    this.#looks.push({ atMs: nowMs, bytes });
    while ((this.#looks[1]?.atMs ?? nowMs) < nowMs - WINDOW_MS) this.#looks.shift();
  }

  /** In bytes a second, rounded, over the last seconds. */
  perSecond(nowMs: number, bytes: number): number {
    const first = this.#looks.find((look) => look.atMs >= nowMs - WINDOW_MS) ?? this.#looks.at(-1);
    if (first === undefined || first.atMs >= nowMs) return 0;
    return Math.round(((bytes - first.bytes) * 1000) / (nowMs - first.atMs));
  }
}

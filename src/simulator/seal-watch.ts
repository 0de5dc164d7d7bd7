import { COORDINATOR } from './plan.ts';
import type { World } from './world.ts';

/** How often it is looked at, in ms of the world. */
const LOOK_MS = 100;
/** Beyond that: what deciding and saving may add. */
const SLACK_MS = 500;
/** How much slower than the world's a coordinator's clock may be. */
const CLOCK_RATE = 1.1;
/** It waits for one suspicion, and its clock may have stood still for another, in which it heard nobody. */
const SUSPICIONS = 2;

/**
 * A sealed head holds writes back, so a seal that does not get quiet is lifted in time: by any coordinator that has been running
 * on a sound disk for so long. PROTOCOL.md §6.5.
 */
export class SealWatch {
  readonly #world: World;
  #sinceMs = 0;
  #seen = '';

  constructor(world: World) {
    this.#world = world;
    world.scheduler.after(LOOK_MS, () => this.#look());
  }

  #look(): void {
    const { scheduler, setup } = this.#world;
    scheduler.after(LOOK_MS, () => this.#look());
    const { nowMs } = scheduler;
    const { running, isTroubled } = this.#world.host(COORDINATOR);
    const configuration = running?.coordinator?.configuration() ?? null;
    // While it hears nobody it decides nothing: its own network may be gone.
    const hears = () => (running?.coordinator?.gauges().nodes_heard ?? 0) > 0;
    const lasts = configuration?.sealed && !running?.process.paused && !isTroubled && hears();
    const seen = lasts ? `${configuration.epoch} ${running?.startedMs}` : '';
    if (seen !== this.#seen || seen === '') {
      this.#seen = seen;
      this.#sinceMs = nowMs;
      return;
    }
    const sealedMs = nowMs - this.#sinceMs;
    if (sealedMs <= SUSPICIONS * setup.timing.suspectAfterMs * CLOCK_RATE + SLACK_MS) return;
    this.#world.checks.violate(
      'I6',
      `epoch ${configuration?.epoch} has been sealed for ${Math.round(sealedMs)} ms`,
    );
  }
}

/**
 * How much of what a person allowed is given while the device itself is hard pressed. Decides, does nothing.
 *
 * Rules:
 * - The system's own word on its processors: `critical` leaves half. What is below that may well be our own work, which a
 *   person with processors to spare has no reason to slow down.
 * - A window that did not answer for {@link STALL_US} is one in which somebody could not scroll: half of what was given is
 *   left, and half of that after the next one, down to {@link SHARE_MIN} of a hundred.
 * - Longer than {@link SLEPT_US} is no stall but a computer that slept, or a page that was frozen.
 * - After {@link RECOVER_US} without a stall twice as much is given again.
 * - What a device does not tell leaves everything.
 */

export type Pressure = "nominal" | "fair" | "serious" | "critical";

/** A stall that a person notices. Shorter ones are what pages do all the time. */
export const STALL_US = 1_000_000;
const SLEPT_US = 60_000_000;
const RECOVER_US = 10_000_000;

const SHARE_ALL = 100;
const SHARE_MIN = 12;

const OF_PRESSURE: Readonly<Record<Pressure, number>> = {
  nominal: SHARE_ALL,
  fair: SHARE_ALL,
  serious: SHARE_ALL,
  critical: 50,
};

export class Strain {
  #pressure: Pressure = "nominal";
  #share = SHARE_ALL;
  #changedUs = 0;

  pressed(pressure: Pressure): void {
    this.#pressure = pressure;
  }

  /** The window did not answer for so long. */
  answered(afterUs: number, nowUs: number): void {
    if (afterUs < STALL_US || afterUs > SLEPT_US) return;
    this.#share = Math.max(SHARE_MIN, Math.floor(this.#share / 2));
    this.#changedUs = nowUs;
  }

  /** What may be given of what the person allowed, in percent. */
  sharePercent(nowUs: number): number {
    while (this.#share < SHARE_ALL && nowUs - this.#changedUs >= RECOVER_US) {
      this.#share = Math.min(SHARE_ALL, this.#share * 2);
      this.#changedUs += RECOVER_US;
    }
    return Math.min(this.#share, OF_PRESSURE[this.#pressure]);
  }
}

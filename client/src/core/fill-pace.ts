/**
 * How slowly a donor fetches what it was assigned from mirrors: decides, does nothing.
 *
 * Filling must not disturb downloads, and nobody tells a donor who else is at a mirror. So it is judged by time:
 *
 * - P1 A donor may use mirrors for {@link BURST_US} at once, and beyond that for one part of {@link PARTS} of the time. A
 *   mirror that it shares with one download gives it half of that, so the download keeps 0.97 of its rate, however fast the
 *   mirror is; and 16 MB are there at once where it is not slow.
 * - P2 Never more than the donor's own ceiling, so that no home line is full.
 * - P3 A pause is {@link PAUSE_US_MAX} at most: a mirror that is hardly alive must not keep the donor from asking the next.
 *
 * `core/fill_pace.py` is its twin; vectors: `spec/vectors/fill-pace.json`.
 */

const PARTS = 16;
const BURST_US = 15_000_000;
const PAUSE_US_MAX = 60_000_000;

/** Caller's duty: after each piece ask `pauseUs`, and ask for nothing until it is over. */
export class FillPace {
  readonly #ceilingBytesPerS: number;
  #leftUs = BURST_US;
  #countedUs: number;

  constructor(ceilingBytesPerS: number, nowUs: number) {
    this.#ceilingBytesPerS = ceilingBytesPerS;
    this.#countedUs = nowUs;
  }

  /** The pause after a piece of `sizeBytes` that took `elapsedUs` and ended now, in microseconds. */
  pauseUs(sizeBytes: number, elapsedUs: number, nowUs: number): number {
    const earnedUs = Math.floor((nowUs - this.#countedUs) / PARTS);
    this.#countedUs += earnedUs * PARTS;
    this.#leftUs = Math.min(BURST_US, this.#leftUs + earnedUs) - elapsedUs;
    const byCeiling = Math.floor((sizeBytes * 1_000_000) / this.#ceilingBytesPerS) - elapsedUs;
    const pauseUs = Math.min(PAUSE_US_MAX, Math.max(-this.#leftUs * PARTS, byCeiling, 0));
    this.#leftUs = Math.max(this.#leftUs, -PAUSE_US_MAX / PARTS);
    return pauseUs;
  }
}

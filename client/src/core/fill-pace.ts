/**
 * How slowly a donor fetches what it was assigned from a mirror: decides, does nothing.
 *
 * Filling must not disturb downloads, and nobody tells a donor who else is at a mirror. So it is judged by time:
 *
 * - P1 After each piece the donor pauses {@link PAUSE_TIMES} as long as the piece took. A mirror that it shares with one
 *   download then gives it half of a tenth of its time, so the download keeps 0.95 of its rate, however fast the mirror is.
 * - P2 Never more than the donor's own ceiling: 16 MB are there in a few seconds, and no home line is full.
 * - P3 A pause is {@link PAUSE_US_MAX} at most: a mirror that is hardly alive must not keep the donor from asking the next.
 *
 * `core/fill_pace.py` is its twin; vectors: `spec/vectors/fill-pace.json`.
 */

const PAUSE_TIMES = 9;
const PAUSE_US_MAX = 60_000_000;

/** The pause after a piece of `sizeBytes` that took `elapsedUs`, in microseconds. */
export function fillPauseUs(sizeBytes: number, elapsedUs: number, ceilingBytesPerS: number): number {
  const byTime = PAUSE_TIMES * elapsedUs;
  const byCeiling = Math.floor((sizeBytes * 1_000_000) / ceilingBytesPerS) - elapsedUs;
  return Math.min(PAUSE_US_MAX, Math.max(byTime, byCeiling, 0));
}

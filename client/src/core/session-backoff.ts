/**
 * When to come back to a coordinator that is gone.
 *
 * Exponential with full jitter, so that the peers of a coordinator that restarts do not all come at once: the n-th wait is
 * anything between 0 and `min(60 s, 1 s * 2^n)`, but never below 250 ms. A session that lasted for a while starts over.
 */

const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;
const SHORTEST_MS = 250;

/** A session that lived so long was a good one: the next failure is a new story. */
const GOOD_MS = 30_000;

export class Backoff {
  #failures = 0;

  /**
   * The session ended, or none came about.
   *
   * @param livedMs how long it was welcome; 0 when it never was.
   * @param chance a random number in [0, 1).
   * @returns milliseconds to wait before the next try.
   */
  failed(livedMs: number, chance: number): number {
    if (livedMs >= GOOD_MS) this.#failures = 0;
    const longestMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 6);
    return Math.max(SHORTEST_MS, Math.floor(chance * longestMs));
  }
}

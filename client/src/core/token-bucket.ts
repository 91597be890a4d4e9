/**
 * A token bucket that decides when bytes may flow, and does nothing itself; the rules of `distribute_io.core.token_bucket`.
 *
 * - Over any stretch of `t` seconds at most `rate * t + burst` bytes are let through.
 * - A reservation may take the level below zero; whoever made it waits until the level is back at zero.
 * - The clock is an argument, in integer microseconds. Sums are exact: the level is kept in byte-microseconds, which stay
 *   below 2^53 for bursts up to 4 GB.
 */

const US_PER_S = 1_000_000;

export class TokenBucket {
  #rateBytesPerS: number;
  #capacity: number;
  #level: number;
  #atUs: number;

  /**
   * Starts full.
   *
   * @param rateBytesPerS long-run rate, at least 1.
   * @param burstBytes what may pass at once after a pause, at least 0.
   */
  constructor(rateBytesPerS: number, burstBytes: number, nowUs: number) {
    this.#rateBytesPerS = rateBytesPerS;
    this.#capacity = burstBytes * US_PER_S;
    this.#level = this.#capacity;
    this.#atUs = nowUs;
  }

  /** Changes rate and burst from `nowUs` on. What had accrued stays, up to the new burst. */
  change(rateBytesPerS: number, burstBytes: number, nowUs: number): void {
    this.#refill(nowUs);
    this.#rateBytesPerS = rateBytesPerS;
    this.#capacity = burstBytes * US_PER_S;
    this.#level = Math.min(this.#level, this.#capacity);
  }

  /** Microseconds until nothing is owed any more; 0: bytes may be taken now. */
  waitUs(nowUs: number): number {
    this.#refill(nowUs);
    return this.#level >= 0 ? 0 : Math.ceil(-this.#level / this.#rateBytesPerS);
  }

  /** Takes bytes, also on credit. */
  take(sizeBytes: number, nowUs: number): void {
    this.#refill(nowUs);
    this.#level -= sizeBytes * US_PER_S;
  }

  #refill(nowUs: number): void {
    const elapsedUs = Math.max(0, nowUs - this.#atUs);
    this.#atUs = Math.max(this.#atUs, nowUs);
    // A machine that slept for a day: the bucket is full, and no product leaves the exact integers.
    if (elapsedUs > 3_600 * US_PER_S) this.#level = this.#capacity;
    else this.#level = Math.min(this.#capacity, this.#level + elapsedUs * this.#rateBytesPerS);
  }
}

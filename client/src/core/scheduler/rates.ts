/**
 * How fast a source is: bytes per second while it was asked for something, and the time to a first byte (S5).
 *
 * A pure estimate in integers; every division rounds down.
 */

import { divide, multiplyDivide } from "./exact.ts";
import {
  LATENCY_UNKNOWN_US,
  MICROS_PER_S,
  RATE_DECAY_AFTER_US,
  RATE_MEMORY_US,
  RATE_SHORT_WINDOW_US,
  RATE_WINDOW_US,
} from "./tuning.ts";

/**
 * One source's measured rate and latency.
 *
 * The bytes that open a window are not counted, only its time is: what they took to come is latency, not rate.
 */
export class RateEstimate {
  #bytesPerS: number | null = null;
  #latencyUs: number | null = null;
  #windowStartUs: number | null = null;
  #windowBytes = 0;

  /** From a request to its first byte. */
  get latencyUs(): number {
    return this.#latencyUs ?? LATENCY_UNKNOWN_US;
  }

  /** The rate in bytes per second, at least 1; null if it is not known. */
  at(nowUs: number): number | null {
    let rate = this.#bytesPerS;
    if (rate === null) return null;
    if (this.#windowStartUs !== null) {
      const spanUs = nowUs - this.#windowStartUs;
      if (spanUs > RATE_DECAY_AFTER_US) {
        rate = Math.min(rate, multiplyDivide(this.#windowBytes, MICROS_PER_S, spanUs));
      }
    }
    return Math.max(1, rate);
  }

  /** The first byte of a request came to a source that had nothing else open. */
  firstByteCame(waitedUs: number): void {
    this.#latencyUs = this.#latencyUs === null ? waitedUs : divide(3 * this.#latencyUs + waitedUs, 4);
  }

  /** `count` bytes came at `nowUs`. */
  bytesCame(count: number, nowUs: number): void {
    if (this.#windowStartUs === null) {
      this.#windowStartUs = nowUs;
      this.#windowBytes = 0;
      return;
    }
    this.#windowBytes += count;
    const spanUs = nowUs - this.#windowStartUs;
    if (spanUs >= RATE_WINDOW_US) this.#fold(nowUs, spanUs);
  }

  /** Nothing is open to the source any more; its last request brought `lastBytes` in `lastUs`. */
  fellIdle(nowUs: number, lastBytes: number, lastUs: number): void {
    if (this.#windowStartUs !== null && this.#windowBytes > 0) {
      const spanUs = nowUs - this.#windowStartUs;
      if (spanUs >= RATE_SHORT_WINDOW_US) this.#fold(nowUs, spanUs);
    }
    if (this.#bytesPerS === null && lastBytes > 0) {
      this.#bytesPerS = multiplyDivide(lastBytes, MICROS_PER_S, Math.max(1, lastUs));
    }
    this.#windowStartUs = null;
  }

  /** Failures and stalls make the rate unknown again. */
  forget(): void {
    this.#bytesPerS = null;
    this.#windowStartUs = null;
  }

  #fold(nowUs: number, spanUs: number): void {
    if (this.#bytesPerS === null) {
      this.#bytesPerS = multiplyDivide(this.#windowBytes, MICROS_PER_S, spanUs);
    } else {
      const older = multiplyDivide(this.#bytesPerS, RATE_MEMORY_US, RATE_MEMORY_US + spanUs);
      const newer = multiplyDivide(this.#windowBytes, MICROS_PER_S, RATE_MEMORY_US + spanUs);
      this.#bytesPerS = older + newer;
    }
    this.#windowStartUs = nowUs;
    this.#windowBytes = 0;
  }
}

/**
 * How many bytes a downloader lets a donor have on the way: the window of spec/peer-frames.md section 5.
 *
 * Decides the size only; `peer-taker.ts` turns it into grants. Rules:
 *
 * - It starts at 64 KiB. More overruns the UDP buffer of a fresh association and halves the rate.
 * - A *round* is a window's worth of processed bytes without a pause of the requests. After each the window doubles, up
 *   to 2 x rate x round trip, and at most 4 MiB. The rate is that of the round.
 * - The round trip is the smallest time seen between a grant and a byte that needed it, or between a request on a quiet
 *   line and its first byte. Both include the donor's own delay, so the smallest is the best.
 * - A stall (2 s without a byte of what was asked) halves it, not below 64 KiB.
 *
 * Integer microseconds and bytes throughout; products stay below 2^53 by the two clamps.
 */

import { WINDOW_BYTES_MAX, WINDOW_BYTES_START } from "../wire/messages.ts";

const RATE_BYTES_PER_S_MAX = 2 ** 29;
const ROUND_TRIP_US_MIN = 1_000; // Firefox's clock has steps of a millisecond
const ROUND_TRIP_US_MAX = 2_000_000;
const US_PER_S = 1_000_000;

export class Window {
  #bytes = WINDOW_BYTES_START;
  #roundTripUs = ROUND_TRIP_US_MAX;
  #roundBytes = 0;
  #roundStartUs: number | undefined;

  /** The present size in bytes of payload. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes are awaited from now on: a round starts unless one is under way. */
  start(nowUs: number): void {
    this.#roundStartUs ??= nowUs;
  }

  /** Nothing is awaited any more: what passes until the next request says nothing about the line. */
  pause(): void {
    this.#roundStartUs = undefined;
    this.#roundBytes = 0;
  }

  /** A round trip took at most this long. */
  measured(roundTripUs: number): void {
    this.#roundTripUs = Math.min(this.#roundTripUs, Math.max(ROUND_TRIP_US_MIN, roundTripUs));
  }

  /** So many bytes of payload were processed. */
  processed(sizeBytes: number, nowUs: number): void {
    if (this.#roundStartUs === undefined) return;
    this.#roundBytes += sizeBytes;
    if (this.#roundBytes < this.#bytes) return;
    const elapsedUs = Math.max(1, nowUs - this.#roundStartUs);
    const rateBytesPerS = Math.min(RATE_BYTES_PER_S_MAX, Math.floor((this.#roundBytes * US_PER_S) / elapsedUs));
    const useful = Math.floor((2 * rateBytesPerS * this.#roundTripUs) / US_PER_S);
    this.#bytes = Math.max(this.#bytes, Math.min(2 * this.#bytes, useful, WINDOW_BYTES_MAX));
    this.#roundBytes = 0;
    this.#roundStartUs = nowUs;
  }

  /** Nothing came for too long. */
  stalled(nowUs: number): void {
    this.#bytes = Math.max(WINDOW_BYTES_START, Math.floor(this.#bytes / 2));
    this.#roundBytes = 0;
    this.#roundStartUs = nowUs;
  }
}

/**
 * How many bytes a downloader lets a donor have on the way: the window of spec/peer-frames.md section 5.
 *
 * Decides the size only; `peer-taker.ts` turns it into grants. Rules:
 *
 * - It starts at 64 KiB. More overruns the UDP buffer of a fresh association and halves the rate.
 * - A *round* is a window's worth of processed bytes without a pause of the requests. After each the window doubles, up
 *   to 2 x rate x round trip, and at most 4 MiB. The rate is that of the round.
 * - After 1 MiB without a stall the line is *warm*: the association's slow start is over, and the round trip counts as at
 *   least 50 ms. On a short line it is that of the two ends' threads, which the least time seen is far below: with 64 KiB
 *   they wait for each other, and each packet costs more (`python -m bench peers_one_donor`).
 * - The round trip is the smallest time seen between our hello and the donor's holdings, which answer it, between a grant
 *   and a byte that needed it, or between a request on a quiet line and its first byte. All include more than the line
 *   (proofs, what is queued, the donor's disk), so the smallest is the best.
 * - A stall (2 s without a byte of what was asked) halves it, not below 64 KiB.
 *
 * Integer microseconds and bytes throughout; products stay below 2^53 by the two clamps.
 */

import { WINDOW_BYTES_MAX, WINDOW_BYTES_START } from "../wire/messages.ts";

const ROUND_TRIP_US_WARM = 50_000;
const WARM_AFTER_BYTES = 1_048_576;
const RATE_BYTES_PER_S_MAX = 2 ** 29;
const ROUND_TRIP_US_MIN = 1_000; // Firefox's clock has steps of a millisecond
const ROUND_TRIP_US_MAX = 2_000_000;
const US_PER_S = 1_000_000;

export class Window {
  #bytes = WINDOW_BYTES_START;
  /** 0: not measured yet, so the line is taken for a short one. */
  #roundTripUs = 0;
  #roundBytes = 0;
  #roundStartUs: number | undefined;
  /** Processed since the beginning or the last stall. */
  #cleanBytes = 0;

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

  /** The shortest round trip that was measured; 0 before any was. */
  get roundTripUs(): number {
    return this.#roundTripUs;
  }

  /** A round trip took at most this long. */
  measured(roundTripUs: number): void {
    const clamped = Math.min(ROUND_TRIP_US_MAX, Math.max(ROUND_TRIP_US_MIN, roundTripUs));
    this.#roundTripUs = this.#roundTripUs === 0 ? clamped : Math.min(this.#roundTripUs, clamped);
  }

  /** So many bytes of payload were processed. */
  processed(sizeBytes: number, nowUs: number): void {
    this.#cleanBytes += sizeBytes;
    if (this.#roundStartUs === undefined) return;
    this.#roundBytes += sizeBytes;
    if (this.#roundBytes < this.#bytes) return;
    const elapsedUs = Math.max(1, nowUs - this.#roundStartUs);
    const rateBytesPerS = Math.min(RATE_BYTES_PER_S_MAX, Math.floor((this.#roundBytes * US_PER_S) / elapsedUs));
    const warm = this.#cleanBytes >= WARM_AFTER_BYTES;
    const roundTripUs = warm ? Math.max(ROUND_TRIP_US_WARM, this.#roundTripUs) : this.#roundTripUs;
    const useful = Math.floor((2 * rateBytesPerS * roundTripUs) / US_PER_S);
    this.#bytes = Math.max(this.#bytes, Math.min(2 * this.#bytes, useful, WINDOW_BYTES_MAX));
    this.#roundBytes = 0;
    this.#roundStartUs = nowUs;
  }

  /** Nothing came for too long. */
  stalled(nowUs: number): void {
    this.#bytes = Math.max(WINDOW_BYTES_START, Math.floor(this.#bytes / 2));
    this.#cleanBytes = 0;
    this.#roundBytes = 0;
    this.#roundStartUs = nowUs;
  }
}

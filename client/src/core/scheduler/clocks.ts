/** What is due by time alone, and when (S12, S14 to S16). */

import type { Settings } from "./config.ts";
import type { Request } from "./requests.ts";
import type { Source } from "./sources.ts";
import { RETRY_AFTER_US_MAX, REVIEW_US, SLEEP_US, STALL_CANCEL_FACTOR } from "./tuning.ts";

/** The times that a download waits for. */
export class Clocks {
  readonly #settings: Settings;
  #nowUs: number;
  #heldUpUs: number;
  #lastProgressUs: number;
  #noSourceSinceUs: number | null;
  #promisedUntilUs: number;
  readonly #patientUntilUs: number;
  #plannedUs: number;
  #reviewUs: number | null = null;

  /** @param nowUs when the download begins. */
  constructor(settings: Settings, nowUs: number) {
    this.#settings = settings;
    this.#nowUs = nowUs;
    this.#heldUpUs = nowUs;
    this.#lastProgressUs = nowUs;
    this.#noSourceSinceUs = nowUs;
    this.#promisedUntilUs = nowUs;
    this.#patientUntilUs = nowUs + settings.noSourceGraceUs;
    this.#plannedUs = nowUs;
  }

  get nowUs(): number {
    return this.#nowUs;
  }

  /** Time goes on; returns it. Long after the deadline that was asked for, the machine slept: no clock ran. */
  advance(nowUs: number, deadlineUs: number | null, requests: Iterable<Request>): number {
    this.#nowUs = Math.max(nowUs, this.#nowUs);
    const lateUs = deadlineUs === null ? 0 : this.#nowUs - deadlineUs;
    if (lateUs > SLEEP_US) {
      for (const request of requests) request.lastByteUs += lateUs;
      this.#lastProgressUs += lateUs;
      if (this.#noSourceSinceUs !== null) this.#noSourceSinceUs += lateUs;
    }
    return this.#nowUs;
  }

  /** Up to now, our own memory held the sources up. */
  heldUp(nowUs: number): void {
    this.#heldUpUs = nowUs;
  }

  /** Until when it did, last; at first, since when there is a download. */
  get heldUpUs(): number {
    return this.#heldUpUs;
  }

  /** New bytes or a verified segment came. */
  progressed(nowUs: number): void {
    this.#lastProgressUs = nowUs;
  }

  /** The download goes on after a pause. */
  restart(nowUs: number): void {
    this.#lastProgressUs = nowUs;
    if (this.#noSourceSinceUs !== null) this.#noSourceSinceUs = nowUs;
  }

  /** A source said when it may be asked again: it is worth waiting for. */
  retryPromised(retryAfterUs: number | null, nowUs: number): void {
    if (retryAfterUs === null) return;
    this.#promisedUntilUs = Math.max(this.#promisedUntilUs, nowUs + Math.min(retryAfterUs, RETRY_AFTER_US_MAX));
  }

  /** Is there any source that may deliver? */
  noteUsable(anyUsable: boolean, nowUs: number): void {
    if (anyUsable) this.#noSourceSinceUs = null;
    else this.#noSourceSinceUs ??= nowUs;
  }

  /** The choice was made; it is due again after `reviewInUs` (null: only when something happens). */
  planned(nowUs: number, reviewInUs: number | null): void {
    this.#plannedUs = nowUs;
    this.#reviewUs = reviewInUs === null ? null : nowUs + reviewInUs;
  }

  /** Was the last choice made long ago? */
  reviewIsDue(nowUs: number): boolean {
    return nowUs - this.#plannedUs >= REVIEW_US;
  }

  /** Since when a request has brought no byte, though it could. */
  silentSinceUs(request: Request): number {
    return Math.max(request.lastByteUs, this.#heldUpUs);
  }

  /** Is it so early that other sources, donors above all, may still come? */
  isPatient(nowUs: number): boolean {
    return nowUs < this.#patientUntilUs;
  }

  /** Has the download waited long enough? */
  isTimeUp(nowUs: number): boolean {
    return nowUs >= this.#giveUpUs();
  }

  /** The earliest time at which something is due. */
  nextDeadlineUs(requests: Iterable<Request>, sources: Iterable<Source>, heldUp: boolean): number {
    let dueUs = Math.min(this.#giveUpUs(), this.#reviewUs ?? Infinity);
    if (this.isPatient(this.#nowUs)) dueUs = Math.min(dueUs, this.#patientUntilUs);
    for (const source of sources) dueUs = Math.min(dueUs, source.probationUntilUs ?? Infinity);
    if (heldUp) return dueUs;
    for (const request of requests) {
      if (request.remainingBytes === 0) continue;
      const patienceUs = this.#settings.stallUs * (request.stalled ? STALL_CANCEL_FACTOR : 1);
      dueUs = Math.min(dueUs, this.silentSinceUs(request) + patienceUs);
    }
    return dueUs;
  }

  #giveUpUs(): number {
    let giveUpUs = this.#lastProgressUs + this.#settings.giveUpUs;
    if (this.#promisedUntilUs > this.#lastProgressUs) {
      const promisedUs = Math.min(this.#promisedUntilUs, this.#lastProgressUs + RETRY_AFTER_US_MAX);
      giveUpUs = Math.max(giveUpUs, promisedUs + this.#settings.giveUpUs);
    }
    if (this.#noSourceSinceUs !== null) {
      giveUpUs = Math.min(giveUpUs, this.#noSourceSinceUs + this.#settings.noSourceGraceUs);
    }
    return giveUpUs;
  }
}

/** One open request: the range that a source was asked for and how far it has come (S4, S6, S12). */

import { multiplyDivide } from "./exact.ts";
import type { Source } from "./sources.ts";
import { MICROS_PER_S, OVERLAP_MARGIN_US } from "./tuning.ts";

/** An open request. Owned by the ledger; compared by identity. */
export class Request {
  readonly requestId: number;
  readonly source: Source;
  readonly start: number;
  readonly startedUs: number;
  /** Had the source nothing else open when it started? */
  readonly startedAlone: boolean;
  end: number;
  /** The first byte of the file that it has not delivered. */
  position: number;
  lastByteUs: number;
  deliveredAny = false;
  /** Its end came near (S6). */
  overlapped = false;
  slow = false;
  stalled = false;
  /** The request that races it for the same bytes: a hedge and what it hedges are each other's rivals. */
  rival: Request | null = null;

  constructor(requestId: number, source: Source, start: number, end: number, nowUs: number) {
    this.requestId = requestId;
    this.source = source;
    this.start = start;
    this.end = end;
    this.position = start;
    this.startedUs = nowUs;
    this.lastByteUs = nowUs;
    this.startedAlone = source.requests.length === 0;
  }

  get remainingBytes(): number {
    return this.end - this.position;
  }

  /** How long it needs for the rest at its measured rate; null if that is not known. */
  remainingUs(nowUs: number): number | null {
    const rate = this.source.requestRate(nowUs);
    return rate === null ? null : multiplyDivide(this.remainingBytes, MICROS_PER_S, rate);
  }

  /** Is it so near its end that the source's next request may start (S6)? */
  isEnding(nowUs: number): boolean {
    const remainingUs = this.remainingUs(nowUs);
    if (remainingUs === null) {
      return this.source.finishedInARow === 0 && 2 * this.remainingBytes <= this.end - this.start;
    }
    return remainingUs <= this.source.rate.latencyUs + OVERLAP_MARGIN_US;
  }
}

/** One source of a download: what it holds, how it behaves, and why it gets work or none (S4, S5, S13, S14). */

import { divide } from "./exact.ts";
import { IntervalSet } from "./intervals.ts";
import type { SegmentRange, SourceKind, SourceState, SourceStatus } from "./messages.ts";
import { RateEstimate } from "./rates.ts";
import type { Request } from "./requests.ts";
import {
  BACKOFF_DOUBLINGS_MAX,
  BACKOFF_SLOW_US,
  BACKOFF_SLOW_US_MAX,
  BACKOFF_US,
  BACKOFF_US_MAX,
  HORIZON_DOUBLINGS_MAX,
  HORIZON_US,
  RETRY_AFTER_US_MAX,
  SUSPICION_DOUBLINGS_MAX,
} from "./tuning.ts";

/** A server's connections, which the sources on it share (S6). */
export class Host {
  /** How many requests may be open to it at once. */
  connectionsMax: number;
  readonly sources: Source[] = [];

  constructor(connectionsMax: number) {
    this.connectionsMax = connectionsMax;
  }

  /** Open requests to any of its sources. */
  get requests(): readonly Request[] {
    return this.sources.flatMap((source) => source.requests);
  }

  /** A request was refused as one too many (S14). Returns false if nothing shows that it was: none delivers. */
  refusedAnother(): boolean {
    const delivering = this.requests.filter((request) => request.deliveredAny && !request.stalled).length;
    if (delivering > 0) this.connectionsMax = Math.min(this.connectionsMax, delivering);
    return delivering > 0;
  }
}

/** A source's record. Owned by the scheduler; compared by identity. */
export class Source {
  readonly sourceId: string;
  /** Its place in the order of `SourceAdded`, which breaks ties. */
  readonly ordinal: number;
  readonly kind: SourceKind;
  /** How many requests may be open to it at once. */
  readonly slots: number;
  /** The server that it is on. */
  readonly host: Host;
  readonly rate = new RateEstimate();
  /** What it holds; null is everything. */
  holdings: IntervalSet | null = null;
  /** When it first said itself what it holds. */
  firstWordUs: number | undefined;
  state: SourceState = "ready";
  reason: string | null = null;
  requests: Request[] = [];
  finishedInARow = 0;
  failures = 0;
  probationUntilUs: number | null = null;
  suspected = false;
  receivedBytes = 0;
  verifiedBytes = 0;
  duplicateBytes = 0;
  rejectedBytes = 0;
  #slowCount = 0;
  #suspicions = 0;
  #cleanSegments = 0;

  constructor(sourceId: string, ordinal: number, kind: SourceKind, slots: number, host?: Host) {
    this.sourceId = sourceId;
    this.ordinal = ordinal;
    this.kind = kind;
    this.slots = Math.max(1, slots);
    this.host = host ?? new Host(this.slots);
    this.host.sources.push(this);
  }

  /** May it deliver now or later? */
  get usable(): boolean {
    return this.state === "ready" || this.state === "probation";
  }

  /**
   * Notes what it holds; null means everything.
   *
   * @param saidUs when it said so itself; undefined: it is what others say.
   */
  hold(holdings: readonly SegmentRange[] | null, saidUs?: number): void {
    this.holdings = holdings === null ? null : new IntervalSet(holdings);
    this.firstWordUs ??= saidUs;
  }

  /** Does it hold all segments `[first, end)`? */
  holds(first: number, end: number): boolean {
    return this.holdings === null || this.holdings.holds(first, end);
  }

  /** Length in time of its next request (S7). */
  horizonUs(): number {
    return HORIZON_US * 2 ** Math.min(this.finishedInARow, HORIZON_DOUBLINGS_MAX);
  }

  /** The share of its rate that one of its open requests has. */
  requestRate(nowUs: number): number | null {
    const rate = this.rate.at(nowUs);
    if (rate === null) return null;
    const delivering = this.requests.filter((request) => request.remainingBytes > 0).length;
    return Math.max(1, divide(rate, Math.max(1, delivering)));
  }

  /** Gives it no work for a while (S14). Returns false if it was on probation already and stays so as it was. */
  putOnProbation(reason: string, nowUs: number, retryAfterUs: number | null): boolean {
    let backoffUs = 0;
    if (this.state === "ready") {
      if (reason === "slow") {
        const doublings = Math.min(this.#slowCount, BACKOFF_DOUBLINGS_MAX);
        backoffUs = Math.min(BACKOFF_SLOW_US * 2 ** doublings, BACKOFF_SLOW_US_MAX);
        this.#slowCount += 1;
      } else {
        backoffUs = Math.min(BACKOFF_US * 2 ** Math.min(this.failures, BACKOFF_DOUBLINGS_MAX), BACKOFF_US_MAX);
        this.failures += 1;
      }
    } else if (this.state !== "probation" || retryAfterUs === null) return false;
    const untilUs = nowUs + Math.max(backoffUs, Math.min(retryAfterUs ?? 0, RETRY_AFTER_US_MAX));
    if (this.probationUntilUs !== null && untilUs <= this.probationUntilUs) return false;
    this.state = "probation";
    this.reason = reason;
    this.probationUntilUs = untilUs;
    this.finishedInARow = 0;
    this.rate.forget();
    return true;
  }

  /** It is asked again, with a first request of unknown rate. */
  returnFromProbation(): void {
    this.state = "ready";
    this.probationUntilUs = null;
  }

  /** It is never asked again. */
  leave(state: SourceState, reason: string): void {
    this.state = state;
    this.reason = reason;
    this.probationUntilUs = null;
  }

  /** It had a part in a rejected segment (S13). */
  suspect(): void {
    this.suspected = true;
    this.#suspicions += 1;
    this.#cleanSegments = 0;
  }

  /** A segment that only it sent was verified; enough of them clear a suspect (S13). */
  deliveredWholeSegment(): void {
    if (!this.suspected) return;
    this.#cleanSegments += 1;
    if (this.#cleanSegments >= 2 ** Math.min(this.#suspicions - 1, SUSPICION_DOUBLINGS_MAX)) this.suspected = false;
  }

  /** The parts were compared: it was not the liar (S13). */
  clear(): void {
    this.suspected = false;
    this.#suspicions = Math.max(0, this.#suspicions - 1);
  }

  /** Its row in the source table. */
  status(nowUs: number): SourceStatus {
    return {
      sourceId: this.sourceId,
      kind: this.kind,
      state: this.state,
      reason: this.reason,
      rateBytesPerS: this.rate.at(nowUs),
      receivedBytes: this.receivedBytes,
      verifiedBytes: this.verifiedBytes,
      duplicateBytes: this.duplicateBytes,
      rejectedBytes: this.rejectedBytes,
      openRequests: this.requests.length,
      failures: this.failures,
      suspected: this.suspected,
      probationUntilUs: this.probationUntilUs,
    };
  }
}

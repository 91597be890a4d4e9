/**
 * Where every byte of the file stands, and which request fetches it (S1 to S4, S8).
 *
 * A byte of a missing segment is in exactly one state: **open** (nobody fetches it), **fetched** (ahead of the position
 * of an open request, or of two if one hedges the other), or **there** (received, its segment not yet verified). The
 * ledger moves bytes between these states and answers questions; it decides nothing.
 *
 * Segments that were rejected when several sources had sent them are **solo** (S13): open only as a whole, and apart.
 */

import { divide, divideUp } from "./exact.ts";
import { IntervalSet, type Interval } from "./intervals.ts";
import type { SegmentRange } from "./messages.ts";
import { PartialSegment, type SentPart } from "./partial.ts";
import type { Request } from "./requests.ts";
import type { Source } from "./sources.ts";
import { ALIGN_BYTES } from "./tuning.ts";

/** What the ledger needs of the download's settings. */
export interface LedgerConfig {
  readonly sizeBytes: number;
  readonly segmentSizeBytes: number;
  readonly maxInFlightBytes: number;
  readonly inOrder: boolean;
  readonly missing: readonly SegmentRange[] | null;
}

/** What a `BytesReceived` brought. */
export interface Received {
  readonly freshBytes: number;
  readonly duplicateBytes: number;
}

/** The state of every byte. */
export class Ledger {
  readonly sizeBytes: number;
  readonly segmentSizeBytes: number;
  /** How many segments the file has. */
  readonly segments: number;
  /** Segments that are not verified. */
  readonly missing = new IntervalSet();
  /** Open bytes, but for those of solo segments. */
  readonly open = new IntervalSet();
  readonly partials = new Map<number, PartialSegment>();
  readonly requests = new Map<number, Request>();
  /** Solo segments and who had sent them when they were rejected. */
  readonly solo = new Map<number, ReadonlySet<string>>();
  readonly soloOpen = new Set<number>();
  readonly #segmentsInMemoryMax: number;
  readonly #inOrder: boolean;
  /** Segments of which a part may be open: every cut inside a segment is noted here. */
  readonly #fragments = new Set<number>();

  constructor(config: LedgerConfig) {
    this.sizeBytes = config.sizeBytes;
    this.segmentSizeBytes = config.segmentSizeBytes;
    this.segments = divideUp(config.sizeBytes, config.segmentSizeBytes);
    this.#segmentsInMemoryMax = divide(config.maxInFlightBytes, config.segmentSizeBytes);
    this.#inOrder = config.inOrder;
    for (const [first, end] of config.missing ?? [[0, this.segments]]) {
      this.missing.add(Math.max(0, first), Math.min(end, this.segments));
    }
    for (const [first, end] of this.missing) this.open.add(this.startOf(first), this.endOf(end - 1));
  }

  // Places

  startOf(index: number): number {
    return index * this.segmentSizeBytes;
  }

  endOf(index: number): number {
    return Math.min(this.sizeBytes, (index + 1) * this.segmentSizeBytes);
  }

  segmentAt(byte: number): number {
    return divide(byte, this.segmentSizeBytes);
  }

  /** The segments that `[start, end)` touches. */
  segmentsOf(start: number, end: number): Interval {
    return [divide(start, this.segmentSizeBytes), divideUp(end, this.segmentSizeBytes)];
  }

  // Questions

  /** Open bytes, those of solo segments too. */
  get unfetchedBytes(): number {
    let bytes = this.open.total;
    for (const index of this.soloOpen) bytes += this.endOf(index) - this.startOf(index);
    return bytes;
  }

  /** Bytes that still have to come: open, or ahead of a request (hedges counted once). */
  get leftBytes(): number {
    let bytes = this.unfetchedBytes;
    for (const request of this.requests.values()) {
      if (request.rival === null || request.rival.requestId > request.requestId) bytes += request.remainingBytes;
    }
    return bytes;
  }

  /** The first segment that may not be asked for yet (S17). */
  get windowEnd(): number {
    if (this.#inOrder) {
      for (const [front] of this.missing) return Math.min(this.segments, front + this.#segmentsInMemoryMax);
    }
    return this.segments;
  }

  /** What of `leftBytes` lies in the window: all of it, unless segments leave in order (S17). */
  get windowLeftBytes(): number {
    let bytes = this.leftBytes;
    const end = this.windowEnd;
    if (end === this.segments) return bytes;
    for (const [low, high] of this.open.within(this.startOf(end), this.sizeBytes)) bytes -= high - low;
    return bytes;
  }

  /** Is all there that may be asked for, so that only the sink can move the window (S17)? */
  isSinkAwaited(): boolean {
    if (!this.#inOrder || this.requests.size > 0) return false;
    for (const [front] of this.missing) return this.partials.get(front)?.missingBytes === 0;
    return false;
  }

  /** The segments that occupy memory: partly or wholly there, or being entered by an open request (S4). */
  pinned(): ReadonlySet<number> {
    const pinned = new Set(this.partials.keys());
    for (const request of this.requests.values()) pinned.add(this.currentSegment(request));
    return pinned;
  }

  /** Is there memory for filling segment `index` (S4)? */
  hasRoom(index: number): boolean {
    const pinned = this.pinned();
    return pinned.has(index) || pinned.size < this.#segmentsInMemoryMax;
  }

  /** Is no memory left for a segment that has none yet (S4)? */
  isMemoryFull(): boolean {
    return this.pinned().size >= this.#segmentsInMemoryMax;
  }

  /** Is any segment wholly there and not yet verified? */
  isAwaiting(): boolean {
    for (const partial of this.partials.values()) if (partial.missingBytes === 0) return true;
    return false;
  }

  /** Does our own checking hold the sources up (S4)? */
  isHeldUp(): boolean {
    return this.isAwaiting() && this.isMemoryFull();
  }

  /** The segment that a request fills now. */
  currentSegment(request: Request): number {
    return this.segmentAt(Math.min(request.position, request.end - 1));
  }

  /** May another source deliver a part of the segment that this request fills (S13)? */
  mayMix(request: Request): boolean {
    return !request.source.suspected && !this.solo.has(this.currentSegment(request));
  }

  /** Are all bytes of `[start, end)`, which lie in one segment, received? */
  isThere(start: number, end: number): boolean {
    const partial = this.partials.get(this.segmentAt(start));
    return partial !== undefined && partial.gaps(start, end).length === 0;
  }

  /** Does any open request still have to deliver any of `[start, end)`? */
  isFetched(start: number, end: number): boolean {
    for (const request of this.requests.values()) {
      if (Math.max(request.position, start) < Math.min(request.end, end)) return true;
    }
    return false;
  }

  /** The open runs inside segments that are not open as a whole, ascending. */
  *fragments(): Generator<Interval, void> {
    for (const index of ascending(this.#fragments)) {
      const start = this.startOf(index);
      const end = this.endOf(index);
      const runs = [...this.open.within(start, end)];
      const first = runs[0];
      if (first === undefined || (first[0] === start && first[1] === end)) this.#fragments.delete(index);
      else yield* runs;
    }
  }

  /** The first run of wholly open segments among `[first, last)` and in the window, as segments. */
  wholeRun(first: number, last: number): Interval | null {
    const end = Math.min(last, this.windowEnd);
    if (first >= end) return null;
    const stop = this.endOf(end - 1);
    for (const [low, high] of this.open.within(this.startOf(first), stop)) {
      const runFirst = divideUp(low, this.segmentSizeBytes);
      const runEnd = high === stop ? end : divide(high, this.segmentSizeBytes);
      if (runFirst < runEnd) return [runFirst, runEnd];
    }
    return null;
  }

  // Changes

  /** A request opens; its bytes are not open any more. */
  start(request: Request): void {
    this.requests.set(request.requestId, request);
    request.source.requests.push(request);
    const [first, end] = this.segmentsOf(request.start, request.end);
    if (end - first === 1) this.soloOpen.delete(first);
    this.#closeBytes(request.start, request.end);
  }

  /** A request gives up what is behind `end`, which becomes open. */
  shorten(request: Request, end: number): void {
    const oldEnd = request.end;
    request.end = end;
    this.release(end, oldEnd);
  }

  /** A request has come to `receivedBytes` from its start; earlier figures and surplus do not count. */
  receive(request: Request, receivedBytes: number): Received {
    const target = Math.min(request.start + receivedBytes, request.end);
    let freshBytes = 0;
    let duplicateBytes = 0;
    while (request.position < target) {
      const index = this.segmentAt(request.position);
      const stop = Math.min(target, this.endOf(index));
      const count = stop - request.position;
      let added = 0;
      if (this.missing.holds(index, index + 1)) {
        let partial = this.partials.get(index);
        if (partial === undefined) {
          partial = new PartialSegment(this.startOf(index), this.endOf(index));
          this.partials.set(index, partial);
        }
        added = partial.add(request.position, stop, request.source);
        this.#closeBytes(request.position, stop);
      }
      freshBytes += added;
      duplicateBytes += count - added;
      request.position = stop;
    }
    return { freshBytes, duplicateBytes };
  }

  /** A request is over; what it did not deliver becomes open, unless its rival fetches it. */
  finish(request: Request): void {
    this.requests.delete(request.requestId);
    request.source.requests = request.source.requests.filter((other) => other !== request);
    if (request.rival !== null) {
      request.rival.rival = null;
      request.rival = null;
    }
    this.release(request.position, request.end);
  }

  /** Makes open what of `[start, end)` is missing, not there and not fetched by any request. */
  release(start: number, end: number): void {
    if (start >= end) return;
    const freed = new IntervalSet();
    for (const [first, stop] of this.missing.within(...this.segmentsOf(start, end))) {
      freed.add(Math.max(start, this.startOf(first)), Math.min(end, this.endOf(stop - 1)));
    }
    for (const partial of this.partials.values()) {
      if (partial.start < end && start < partial.end) {
        for (const part of partial.parts) freed.remove(part.start, part.end);
      }
    }
    for (const request of this.requests.values()) freed.remove(request.position, request.end);
    for (const index of ascending(this.solo.keys())) {
      const low = this.startOf(index);
      const high = this.endOf(index);
      if (low >= end || start >= high) continue;
      freed.remove(low, high);
      if (!this.partials.has(index) && !this.isFetched(low, high)) this.soloOpen.add(index);
    }
    for (const [low, high] of freed) {
      this.open.add(low, high);
      this.#noteCut(low);
      this.#noteCut(high);
    }
  }

  /** Forgets what is there in `[start, end)`, which lies in one segment, from `source` (null: anybody). */
  drop(start: number, end: number, source: Source | null): readonly SentPart[] {
    const index = this.segmentAt(start);
    const partial = this.partials.get(index);
    if (partial === undefined) return [];
    const dropped = partial.drop(start, end, source);
    if (partial.parts.length === 0) this.partials.delete(index);
    for (const part of dropped) this.release(part.start, part.end);
    return dropped;
  }

  /** A segment is verified: it is not missing any more. Returns who sent what. */
  verify(index: number): readonly SentPart[] {
    const partial = this.partials.get(index);
    this.partials.delete(index);
    this.missing.remove(index, index + 1);
    this.solo.delete(index);
    this.soloOpen.delete(index);
    this.#fragments.delete(index);
    this.open.remove(this.startOf(index), this.endOf(index));
    return partial === undefined ? [] : partial.parts;
  }

  /** A segment is rejected: all of it is open again, as a solo segment if so wanted. Returns who sent what. */
  reject(index: number, solo: boolean): readonly SentPart[] {
    const parts = this.partials.get(index)?.parts ?? [];
    this.partials.delete(index);
    if (solo) this.solo.set(index, new Set(parts.map((part) => part.source.sourceId)));
    this.release(this.startOf(index), this.endOf(index));
    return parts;
  }

  #closeBytes(start: number, end: number): void {
    this.open.remove(start, end);
    this.#noteCut(start);
    this.#noteCut(end);
  }

  #noteCut(byte: number): void {
    if (byte % this.segmentSizeBytes !== 0 && byte !== this.sizeBytes) this.#fragments.add(this.segmentAt(byte));
  }
}

/** The numbers of a set in ascending order: no decision may depend on the order of insertion. */
export function ascending(numbers: Iterable<number>): readonly number[] {
  return [...numbers].sort((a, b) => a - b);
}

/** The last place at or before `byte` where a range may begin (S2). */
export function alignDown(byte: number): number {
  return byte - (byte % ALIGN_BYTES);
}

/** The first place at or after `byte` where a range may begin (S2). */
export function alignUp(byte: number): number {
  return divideUp(byte, ALIGN_BYTES) * ALIGN_BYTES;
}

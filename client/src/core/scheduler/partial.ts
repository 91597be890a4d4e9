/** The bytes of one segment that are received and not yet verified, and who sent them (S3). */

import type { Interval } from "./intervals.ts";
import type { Source } from "./sources.ts";

/** `[start, end)` of the file came from `source`. */
export interface SentPart {
  readonly start: number;
  readonly end: number;
  readonly source: Source;
}

/** One segment's parts: ascending, disjoint. The first to deliver a byte is its sender. */
export class PartialSegment {
  readonly start: number;
  readonly end: number;
  #missingBytes: number;
  #parts: readonly SentPart[] = [];

  /**
   * @param start first byte of the segment.
   * @param end one past its last byte.
   */
  constructor(start: number, end: number) {
    this.start = start;
    this.end = end;
    this.#missingBytes = end - start;
  }

  get missingBytes(): number {
    return this.#missingBytes;
  }

  /** Neighbouring parts of one source are one part. */
  get parts(): readonly SentPart[] {
    return this.#parts;
  }

  /** Each sender once, in the order of its first byte's place. */
  senders(): readonly Source[] {
    return [...new Set(this.#parts.map((part) => part.source))];
  }

  /** Notes that `source` delivered `[start, end)`; returns how many of these bytes were new. */
  add(start: number, end: number, source: Source): number {
    const gaps = this.gaps(start, end);
    let fresh = 0;
    for (const [from, to] of gaps) fresh += to - from;
    if (fresh > 0) {
      const added = gaps.map(([from, to]) => ({ start: from, end: to, source }));
      this.#parts = joined([...this.#parts, ...added].sort((a, b) => a.start - b.start));
    }
    this.#missingBytes -= fresh;
    return fresh;
  }

  /** Forgets what lies in `[start, end)` and came from `source` (null: from anybody); returns it. */
  drop(start: number, end: number, source: Source | null): readonly SentPart[] {
    const kept: SentPart[] = [];
    const dropped: SentPart[] = [];
    for (const part of this.#parts) {
      const low = Math.max(part.start, start);
      const high = Math.min(part.end, end);
      if (low >= high || (source !== null && part.source !== source)) {
        kept.push(part);
        continue;
      }
      dropped.push({ start: low, end: high, source: part.source });
      if (part.start < low) kept.push({ start: part.start, end: low, source: part.source });
      if (high < part.end) kept.push({ start: high, end: part.end, source: part.source });
    }
    this.#parts = kept;
    for (const part of dropped) this.#missingBytes += part.end - part.start;
    return dropped;
  }

  /** What of `[start, end)` is not there, ascending. */
  gaps(start: number, end: number): readonly Interval[] {
    const gaps: Interval[] = [];
    let from = start;
    for (const part of this.#parts) {
      if (part.end <= from) continue;
      if (part.start >= end) break;
      if (part.start > from) gaps.push([from, part.start]);
      from = part.end;
    }
    if (from < end) gaps.push([from, end]);
    return gaps;
  }
}

function joined(parts: readonly SentPart[]): readonly SentPart[] {
  const result: SentPart[] = [];
  for (const part of parts) {
    const last = result.at(-1);
    if (last !== undefined && last.end === part.start && last.source === part.source) {
      result[result.length - 1] = { start: last.start, end: part.end, source: last.source };
    } else result.push(part);
  }
  return result;
}

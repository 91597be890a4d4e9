/**
 * One segment being put together from bytes that come in any order and from any source.
 *
 * Rules:
 * - The first bytes for a place win; what comes again for it is dropped.
 * - Nothing here is verified: only `verifySegment` turns the bytes into something that may be stored. Who sent what is
 *   the scheduler's to know.
 */

type Stretch = readonly [startByte: number, endByte: number];

export class SegmentAssembly {
  readonly index: number;
  readonly startByte: number;
  /** The segment's own bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What is there: ascending, disjoint, not touching. */
  #present: Stretch[] = [];

  /**
   * @param index 0-based place of the segment in its file.
   * @param startByte first byte of the segment in the file.
   * @param bytes room for exactly the segment; kept, not copied.
   */
  constructor(index: number, startByte: number, bytes: Uint8Array<ArrayBuffer>) {
    this.index = index;
    this.startByte = startByte;
    this.bytes = bytes;
  }

  get complete(): boolean {
    const only = this.#present[0];
    return only !== undefined && only[0] === this.startByte && only[1] === this.startByte + this.bytes.byteLength;
  }

  /**
   * Copies bytes to their place, except those that are there already.
   *
   * @param atByte place of the first byte in the file; the bytes must lie inside this segment.
   */
  write(atByte: number, bytes: Uint8Array): void {
    const endByte = atByte + bytes.byteLength;
    const copy = (from: number, to: number) => {
      this.bytes.set(bytes.subarray(from - atByte, to - atByte), from - this.startByte);
    };
    let from = atByte;
    for (const [start, end] of this.#present) {
      if (end <= from) continue;
      if (start >= endByte) break;
      if (start > from) copy(from, start);
      from = end;
    }
    if (from < endByte) copy(from, endByte);
    this.#add(atByte, endByte);
  }

  /** Forgets bytes: they count as not there and may come again. */
  discard(startByte: number, endByte: number): void {
    this.#present = this.#present.flatMap(([start, end]) =>
      [[start, Math.min(end, startByte)] as const, [Math.max(start, endByte), end] as const].filter(
        ([from, to]) => from < to,
      ),
    );
  }

  #add(startByte: number, endByte: number): void {
    let start = startByte;
    let end = endByte;
    const apart: Stretch[] = [];
    for (const stretch of this.#present) {
      if (stretch[1] < start || stretch[0] > end) apart.push(stretch);
      else {
        start = Math.min(start, stretch[0]);
        end = Math.max(end, stretch[1]);
      }
    }
    apart.push([start, end]);
    this.#present = apart.sort((left, right) => left[0] - right[0]);
  }
}

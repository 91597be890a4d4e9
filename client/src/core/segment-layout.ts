/** Where each segment of a file begins and ends. Indices are 0-based, ranges half-open, all in bytes. */
export class SegmentLayout {
  readonly sizeBytes: number;
  readonly segmentSizeBytes: number;
  /** Number of segments; 0 for an empty file. */
  readonly count: number;

  /**
   * @param sizeBytes size of the file, a safe integer of 0 or more.
   * @param segmentSizeBytes size of every segment but the last.
   */
  constructor(sizeBytes: number, segmentSizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.segmentSizeBytes = segmentSizeBytes;
    this.count = Math.ceil(sizeBytes / segmentSizeBytes);
  }

  /** First byte of a segment. */
  startOf(index: number): number {
    return index * this.segmentSizeBytes;
  }

  /** One past the last byte of a segment. */
  endOf(index: number): number {
    return Math.min(this.sizeBytes, (index + 1) * this.segmentSizeBytes);
  }

  /** Length of a segment. */
  lengthOf(index: number): number {
    return this.endOf(index) - this.startOf(index);
  }

  /** The segment that holds a byte of the file. */
  indexAt(byte: number): number {
    return Math.floor(byte / this.segmentSizeBytes);
  }
}

/**
 * Who sent each stored segment, for the map that a page draws of a download.
 *
 * Rules:
 * - A sender is a small number, the row of the source table; {@link KEPT} stands for an earlier visit.
 * - A segment that several sent counts as the last one's. Then bytes that were dropped or rejected need no undoing:
 *   whoever sent them is overwritten by who sends them again.
 * - What is told is what was stored since it was told last, as runs: a page hears of each segment once.
 */

/** The sender of what an earlier visit had stored. */
export const KEPT = -1;

/** Sent by nobody yet. */
const NOBODY = -2;

export class SegmentSenders {
  readonly #segmentSizeBytes: number;
  readonly #senders: Int32Array;
  readonly #stored: Uint8Array;
  /** Stored and not told yet. */
  #news: number[] = [];

  /** @param kept for each segment of the file, whether an earlier visit had stored it. */
  constructor(segmentSizeBytes: number, kept: readonly boolean[]) {
    this.#segmentSizeBytes = segmentSizeBytes;
    this.#senders = new Int32Array(kept.length).fill(NOBODY);
    this.#stored = new Uint8Array(kept.length);
    kept.forEach((there, index) => {
      if (!there) return;
      this.#senders[index] = KEPT;
      this.stored(index);
    });
  }

  /** Bytes `[startByte, endByte)` came from a sender; they may span segments. */
  sent(sender: number, startByte: number, endByte: number): void {
    const last = Math.floor((endByte - 1) / this.#segmentSizeBytes);
    for (let index = Math.floor(startByte / this.#segmentSizeBytes); index <= last; index += 1) {
      if (this.#stored[index] === 0) this.#senders[index] = sender;
    }
  }

  /** A segment is right and stored: what comes late of it changes nothing. */
  stored(index: number): void {
    this.#stored[index] = 1;
    this.#news.push(index);
  }

  /** What was stored since the last call, as `[first, count, sender, first, count, sender, …]`, ascending. */
  takeNews(): Int32Array<ArrayBuffer> {
    const runs: number[] = [];
    for (const index of this.#news.sort((left, right) => left - right)) {
      const sender = this.#senders[index] ?? NOBODY;
      const at = runs.length - 3;
      const first = runs[at];
      const count = runs[at + 1] ?? 0;
      if (first !== undefined && first + count === index && runs[at + 2] === sender) runs[at + 1] = count + 1;
      else runs.push(index, 1, sender);
    }
    this.#news = [];
    return new Int32Array(runs);
  }
}

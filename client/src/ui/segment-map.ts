/**
 * The map of a download: who sent each segment, drawn in so few cells that a panel has room for them.
 *
 * A cell stands for a run of neighbouring segments, shows the sender of most of them, and is full when all are there.
 */

import { KEPT } from "../core/segment-senders.ts";
import type { SentRuns } from "../worker/messages.ts";

/** Cells at most: three rows of cells that are large enough for a pattern, on a phone of 320 pixels, too. */
export const CELLS_MAX = 96;
const CELLS_IN_ROW_MAX = 32;

/** One cell: the row of its sender in the source table, {@link KEPT}, or null while it is empty. */
export interface Cell {
  readonly sender: number | null;
  readonly full: boolean;
}

export class SegmentMap {
  readonly #count: number;
  /** By cell: how many of its segments each sender sent. */
  readonly #cells: Map<number, number>[];

  /** @param count segments of the file; 0 for an empty one. */
  constructor(count: number) {
    this.#count = count;
    this.#cells = Array.from({ length: Math.min(count, CELLS_MAX) }, () => new Map<number, number>());
  }

  /** Cells in each row, so that the rows are as equal as can be. */
  get columns(): number {
    const cells = this.#cells.length;
    return Math.ceil(cells / Math.max(1, Math.ceil(cells / CELLS_IN_ROW_MAX)));
  }

  /** Takes in who sent what was stored since the last time. */
  add(sent: SentRuns): void {
    for (let at = 0; at + 2 < sent.length; at += 3) {
      const [first = 0, count = 0, sender = KEPT] = sent.subarray(at, at + 3);
      for (let start = first, end = first + count; start < end;) {
        const index = Math.floor((start * this.#cells.length) / this.#count);
        const stop = Math.min(end, this.#startOf(index + 1));
        const cell = this.#cells[index];
        cell?.set(sender, (cell.get(sender) ?? 0) + stop - start);
        start = stop;
      }
    }
  }

  /** The cells as they are now; a tie is the lower row's. */
  cells(): readonly Cell[] {
    return this.#cells.map((senders, index) => {
      let sender: number | null = null;
      let most = 0;
      let stored = 0;
      for (const [row, count] of senders) {
        stored += count;
        if (count > most || (count === most && row < (sender ?? 0))) [sender, most] = [row, count];
      }
      return { sender, full: stored === this.#startOf(index + 1) - this.#startOf(index) };
    });
  }

  /** The first segment of a cell: the smallest that `floor(segment * cells / count)` takes there. */
  #startOf(cell: number): number {
    return Math.ceil((cell * this.#count) / this.#cells.length);
  }
}

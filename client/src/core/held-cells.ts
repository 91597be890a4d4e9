/**
 * The map of one file on a donor's page: which parts of it are held, in so few cells that a phone has room for them.
 *
 * A cell stands for a run of neighbouring segments; it says how much of that is held, and whether more is on its way.
 */

import type { Runs } from "./runs.ts";

export const CELLS_MAX = 48;

/** One cell: quarters that are held (0 to 4, 0 only when nothing is), and whether something is assigned and missing. */
export interface HeldCell {
  readonly quarters: number;
  readonly coming: boolean;
}

/** @param segments of the whole file; runs beyond it are left out. */
export function heldCells(segments: number, held: Runs, assigned: Runs): readonly HeldCell[] {
  const cells = Math.min(segments, CELLS_MAX);
  const heldIn = counts(segments, cells, held);
  const assignedIn = counts(segments, cells, assigned);
  return Array.from({ length: cells }, (_, cell) => {
    const all = startOf(cell + 1, segments, cells) - startOf(cell, segments, cells);
    const have = heldIn[cell] ?? 0;
    // Holdings and assignment mostly overlap; a cell that is not full and has more assigned than held is being filled.
    return {
      quarters: have === 0 ? 0 : Math.max(1, Math.floor((4 * have) / all)),
      coming: (assignedIn[cell] ?? 0) > have,
    };
  });
}

/** By cell: how many of its segments are in the runs. */
function counts(segments: number, cells: number, runs: Runs): number[] {
  const found = new Array<number>(cells).fill(0);
  for (const [first, last] of runs) {
    for (let start = first, end = Math.min(last, segments); start < end;) {
      const cell = Math.floor((start * cells) / segments);
      const stop = Math.min(end, startOf(cell + 1, segments, cells));
      found[cell] = (found[cell] ?? 0) + stop - start;
      start = stop;
    }
  }
  return found;
}

/** The first segment of a cell: the smallest that `floor(segment * cells / segments)` takes there. */
function startOf(cell: number, segments: number, cells: number): number {
  return Math.ceil((cell * segments) / cells);
}

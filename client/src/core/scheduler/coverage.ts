/** How many peers hold each segment, in pieces, the rarest first (S8). */

import type { IntervalSet } from "./intervals.ts";
import { type Interval } from "./intervals.ts";

/** Segments `[first, end)` are held by `holders` peers. */
export interface Piece {
  readonly holders: number;
  readonly first: number;
  readonly end: number;
}

/**
 * Cuts the file at every end of a run that any peer holds: each piece is held by the same peers.
 *
 * @param segments how many segments the file has.
 * @param holdings what each peer holds; null is everything.
 * @returns the pieces by number of holders, then by place.
 */
export function coverage(segments: number, holdings: Iterable<IntervalSet | null>): readonly Piece[] {
  let holders = 0;
  const steps = new Map<number, number>([[segments, 0]]);
  for (const held of holdings) {
    if (held === null) {
      holders += 1;
      continue;
    }
    for (const [first, end] of held.within(0, segments)) {
      steps.set(first, (steps.get(first) ?? 0) + 1);
      steps.set(end, (steps.get(end) ?? 0) - 1);
    }
  }
  const pieces: Piece[] = [];
  let first = 0;
  for (const [place, change] of [...steps].sort(([a], [b]) => a - b)) {
    if (place > first) {
      pieces.push({ holders, first, end: place });
      first = place;
    }
    holders += change;
  }
  return pieces.sort((a, b) => a.holders - b.holders || a.first - b.first);
}

/** The runs of `piece` that are in `held` (null is everything). */
export function cut(piece: Piece, held: IntervalSet | null): Iterable<Interval> {
  return held === null ? [[piece.first, piece.end]] : held.within(piece.first, piece.end);
}

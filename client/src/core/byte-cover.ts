/** Which bytes of a range have come. */

/**
 * Distinct stretches that one range may have at a time. An ordered channel needs one, a repeated request two; more than
 * this means a sender that scatters its answer to cost us time.
 */
const STRETCHES_MAX = 64;

type Stretch = readonly [start: number, end: number];

/** Half-open byte stretches within `[start, end)`, in any order, merged as they meet. */
export class ByteCover {
  readonly #length: number;
  #stretches: Stretch[] = [];
  #coveredBytes = 0;

  constructor(start: number, end: number) {
    this.#length = end - start;
  }

  get complete(): boolean {
    return this.#coveredBytes === this.#length;
  }

  /**
   * Adds `[start, end)`, which the caller has checked to lie within the range.
   *
   * @returns the parts of it that are new, ascending; undefined when the cover would be in too many pieces
   */
  add(start: number, end: number): Stretch[] | undefined {
    const fresh: Stretch[] = [];
    const rest: Stretch[] = [];
    let at = start;
    let mergedStart = start;
    let mergedEnd = end;
    for (const stretch of this.#stretches) {
      if (stretch[1] < start || stretch[0] > end) {
        rest.push(stretch);
        continue;
      }
      if (stretch[0] > at) fresh.push([at, stretch[0]]);
      at = Math.max(at, stretch[1]);
      mergedStart = Math.min(mergedStart, stretch[0]);
      mergedEnd = Math.max(mergedEnd, stretch[1]);
    }
    if (at < end) fresh.push([at, end]);
    if (rest.length >= STRETCHES_MAX) return undefined;
    rest.push([mergedStart, mergedEnd]);
    this.#stretches = rest.sort((left, right) => left[0] - right[0]);
    for (const [from, to] of fresh) this.#coveredBytes += to - from;
    return fresh;
  }
}

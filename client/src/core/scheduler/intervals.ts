/**
 * A set of integers as disjoint half-open intervals: bytes that nobody fetches yet, segments that a source holds.
 *
 * Rules:
 * - Intervals are kept ascending, neither overlapping nor adjacent: two flat sorted lists, searched by bisection.
 * - A change costs a bisection and a move of list entries: a few microseconds among 100,000 intervals, the most a file
 *   can have (every second segment missing).
 */

/** Half-open, `start < end`. */
export type Interval = readonly [start: number, end: number];

export class IntervalSet implements Iterable<Interval> {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  #total = 0;

  /** @param intervals ascending, disjoint; copied. Adjacent ones are merged. */
  constructor(intervals: Iterable<Interval> = []) {
    for (const [start, end] of intervals) {
      if (start === this.#ends.at(-1)) this.#ends[this.#ends.length - 1] = end;
      else {
        this.#starts.push(start);
        this.#ends.push(end);
      }
      this.#total += end - start;
    }
  }

  /** How many integers are in the set. */
  get total(): number {
    return this.#total;
  }

  get isEmpty(): boolean {
    return this.#starts.length === 0;
  }

  *[Symbol.iterator](): Iterator<Interval> {
    for (let place = 0; place < this.#starts.length; place += 1) yield [this.#start(place), this.#end(place)];
  }

  /** Puts `[start, end)` in; what is there already stays. */
  add(start: number, end: number): void {
    if (start >= end) return;
    const low = lowerBound(this.#ends, start);
    const high = upperBound(this.#starts, end);
    let from = start;
    let to = end;
    if (low < high) {
      from = Math.min(from, this.#start(low));
      to = Math.max(to, this.#end(high - 1));
      this.#total -= this.#length(low, high);
    }
    this.#starts.splice(low, high - low, from);
    this.#ends.splice(low, high - low, to);
    this.#total += to - from;
  }

  /** Takes `[start, end)` out as far as it is there. */
  remove(start: number, end: number): void {
    if (start >= end) return;
    const low = upperBound(this.#ends, start);
    const high = lowerBound(this.#starts, end);
    if (low >= high) return;
    const kept: Interval[] = [];
    if (this.#start(low) < start) kept.push([this.#start(low), start]);
    if (end < this.#end(high - 1)) kept.push([end, this.#end(high - 1)]);
    this.#total -= this.#length(low, high);
    for (const [from, to] of kept) this.#total += to - from;
    this.#starts.splice(low, high - low, ...kept.map(([from]) => from));
    this.#ends.splice(low, high - low, ...kept.map(([, to]) => to));
  }

  /** The intervals inside `[start, end)`, cut to it, ascending. Do not change the set meanwhile. */
  *within(start: number, end: number): Generator<Interval, void> {
    for (let place = upperBound(this.#ends, start); place < this.#starts.length; place += 1) {
      if (this.#start(place) >= end) return;
      yield [Math.max(start, this.#start(place)), Math.min(end, this.#end(place))];
    }
  }

  /** Is all of `[start, end)` there? */
  holds(start: number, end: number): boolean {
    const place = upperBound(this.#ends, start);
    return place < this.#starts.length && this.#start(place) <= start && end <= this.#end(place);
  }

  #start(place: number): number {
    return at(this.#starts, place);
  }

  #end(place: number): number {
    return at(this.#ends, place);
  }

  #length(low: number, high: number): number {
    let length = 0;
    for (let place = low; place < high; place += 1) length += this.#end(place) - this.#start(place);
    return length;
  }
}

function at(list: readonly number[], place: number): number {
  const value = list[place];
  if (value === undefined) throw new RangeError(`no interval ${place}`);
  return value;
}

/** First place whose value is at least `value`. */
function lowerBound(list: readonly number[], value: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at(list, middle) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** First place whose value is greater than `value`. */
function upperBound(list: readonly number[], value: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at(list, middle) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

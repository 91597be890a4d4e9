/**
 * Bytes per second over the last {@link WINDOW_US}, for the eyes of people and for the events. (The scheduler measures
 * for itself, by its own numbered rules.)
 *
 * A window of buckets, not an average that decays: after a stall the shown rate falls to 0 within the window, and a
 * start is not hidden behind older values.
 */

/** Length of one bucket. */
const BUCKET_US = 250_000;
const BUCKETS = 12;

/** How far back the rate looks: 3 s. */
export const WINDOW_US = BUCKET_US * BUCKETS;

export class RateMeter {
  readonly #startedUs: number;
  readonly #buckets = new Array<number>(BUCKETS).fill(0);
  /** Number, counted from time 0, of the newest bucket. */
  #newest: number;

  /** @param nowUs monotonic time of the first byte's request. */
  constructor(nowUs: number) {
    this.#startedUs = nowUs;
    this.#newest = Math.floor(nowUs / BUCKET_US);
  }

  /** Counts bytes that came at `nowUs`. Time never goes back. */
  add(bytes: number, nowUs: number): void {
    this.#advance(nowUs);
    const slot = this.#newest % BUCKETS;
    this.#buckets[slot] = (this.#buckets[slot] ?? 0) + bytes;
  }

  /** Rate at `nowUs`, whole bytes per second. Before the window is full, over the time since the start. */
  rateBytesPerS(nowUs: number): number {
    this.#advance(nowUs);
    const windowStartUs = (this.#newest - BUCKETS + 1) * BUCKET_US;
    const spanUs = Math.max(BUCKET_US, nowUs - Math.max(windowStartUs, this.#startedUs));
    const bytes = this.#buckets.reduce((sum, bucket) => sum + bucket, 0);
    return Math.round((bytes * 1_000_000) / spanUs);
  }

  #advance(nowUs: number): void {
    const bucket = Math.floor(nowUs / BUCKET_US);
    const steps = Math.min(bucket - this.#newest, BUCKETS);
    for (let step = 1; step <= steps; step += 1) this.#buckets[(bucket - steps + step) % BUCKETS] = 0;
    this.#newest = Math.max(bucket, this.#newest);
  }
}

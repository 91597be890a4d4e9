/**
 * How fast a line sends, from a few uploads of growing size. Decides, does nothing.
 *
 * Rules:
 * - Blocks double in size until one takes {@link LONG_ENOUGH_US}, or {@link BLOCK_BYTES_MAX} is reached: a slow line is
 *   measured with little, a fast one beyond its slow start.
 * - The last block alone counts: those before it opened the connection and its window.
 * - By default a quarter of what was measured is given, in two digits from below, and never more than
 *   {@link DEFAULT_BYTES_PER_S_MAX}: a fast line is no reason to give a lot without being asked.
 */

const BLOCK_BYTES_MIN = 131_072;
export const BLOCK_BYTES_MAX = 4_194_304;
const LONG_ENOUGH_US = 400_000;

export const DEFAULT_BYTES_PER_S_MAX = 4_000_000;

export interface Sent {
  readonly sizeBytes: number;
  readonly elapsedUs: number;
}

/** Size of the next block; undefined when enough is known. */
export function nextBlock(last: Sent | undefined): number | undefined {
  if (last === undefined) return BLOCK_BYTES_MIN;
  if (last.elapsedUs >= LONG_ENOUGH_US || last.sizeBytes >= BLOCK_BYTES_MAX) return undefined;
  return Math.min(BLOCK_BYTES_MAX, 2 * last.sizeBytes);
}

/** Bytes per second. */
export function measuredRate({ sizeBytes, elapsedUs }: Sent): number {
  return Math.floor((sizeBytes * 1_000_000) / Math.max(1, elapsedUs));
}

/** What to give of a line of this rate when nobody chose; `leastBytesPerS`: the slider's first step. */
export function defaultRate(measuredBytesPerS: number, leastBytesPerS: number): number {
  const quarter = Math.floor(measuredBytesPerS / 4);
  const digit = 10 ** Math.max(0, String(quarter).length - 2);
  const rounded = Math.floor(quarter / digit) * digit;
  return Math.min(Math.max(rounded, leastBytesPerS), DEFAULT_BYTES_PER_S_MAX);
}

/**
 * Whole-number arithmetic that is exact, as Python's is, so that both languages decide the same (S1).
 *
 * Every number of the scheduler is an integer below 2^53; only products may pass that, and are then made with BigInt.
 */

/** `floor(dividend / divisor)` for integers of 0 or more. */
export function divide(dividend: number, divisor: number): number {
  return (dividend - (dividend % divisor)) / divisor;
}

/** `floor(first * second / divisor)` for integers of 0 or more, whatever the size of the product. */
export function multiplyDivide(first: number, second: number, divisor: number): number {
  const product = first * second;
  if (product <= Number.MAX_SAFE_INTEGER) return divide(product, divisor);
  return Number((BigInt(first) * BigInt(second)) / BigInt(divisor));
}

/** `ceil(dividend / divisor)` for integers of 0 or more. */
export function divideUp(dividend: number, divisor: number): number {
  return divide(dividend + divisor - 1, divisor);
}

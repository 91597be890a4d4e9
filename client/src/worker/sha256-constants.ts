/** The numbers of SHA-256, from their definition (FIPS 180-4, sections 4.2.2 and 5.3.3). */

/** First 32 bits of the fractional parts of the square roots of the first 8 primes. */
export const INITIAL_STATE: readonly number[] = firstPrimes(8).map((prime) => fraction(Math.sqrt(prime)));

/** First 32 bits of the fractional parts of the cube roots of the first 64 primes. */
export const ROUND_CONSTANTS: readonly number[] = firstPrimes(64).map((prime) => fraction(Math.cbrt(prime)));

export const BLOCK_BYTES = 64;

function firstPrimes(count: number): number[] {
  const primes: number[] = [];
  for (let candidate = 2; primes.length < count; candidate += 1) {
    if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate);
  }
  return primes;
}

/** A double has 53 bits; 3 are enough for the whole part of these roots. */
function fraction(root: number): number {
  return Math.floor((root % 1) * 2 ** 32);
}

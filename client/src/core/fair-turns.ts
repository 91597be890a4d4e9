/**
 * Whose turn it is: start-time fair queueing over bytes (Goyal, Vin, Cheng 1996), all with the same weight.
 *
 * - Whoever has been sent the fewest bytes goes first; on a tie, who came first.
 * - Who comes, or had nothing to send for a while, starts where the one who goes next stands: nobody saves up turns.
 *
 * `distribute_io.core.fair_turns` is the same; vectors: `spec/vectors/fair-turns.json`.
 */

export class FairTurns<Key> {
  /** Virtual bytes of each, in the order of their coming. */
  readonly #sent = new Map<Key, number>();
  #virtual = 0;

  add(key: Key): void {
    this.#sent.set(key, this.#virtual);
  }

  remove(key: Key): void {
    this.#sent.delete(key);
  }

  /** The next of those that are ready; undefined when none is. */
  next(ready: (key: Key) => boolean): Key | undefined {
    let best: Key | undefined;
    let least = Infinity;
    for (const [key, sent] of this.#sent) {
      const start = Math.max(sent, this.#virtual);
      if (start < least && ready(key)) {
        best = key;
        least = start;
      }
    }
    return best;
  }

  /** So many bytes were sent to one. */
  sent(key: Key, sizeBytes: number): void {
    const before = this.#sent.get(key);
    if (before === undefined) return;
    this.#virtual = Math.max(before, this.#virtual);
    this.#sent.set(key, this.#virtual + sizeBytes);
  }
}

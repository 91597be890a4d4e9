/**
 * A choice of the visitor's that sticks: kept in the page's `localStorage`, under a name of ours.
 *
 * A site that may not store anything (private windows, blocked storage) has a choice for the life of the page only.
 */

export type Choice = "on" | "off";

export class StoredChoice {
  readonly #key: string;
  #unsaved: Choice | undefined;

  constructor(key: string) {
    this.#key = key;
  }

  /** What the visitor chose before; undefined when nothing. */
  get(): Choice | undefined {
    try {
      const stored = localStorage.getItem(this.#key);
      return stored === "on" || stored === "off" ? stored : this.#unsaved;
    } catch {
      return this.#unsaved;
    }
  }

  /** Keeps a choice for all later visits. */
  set(choice: Choice): void {
    this.#unsaved = choice;
    try {
      localStorage.setItem(this.#key, choice);
    } catch {
      // Kept in memory.
    }
  }
}

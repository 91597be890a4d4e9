/**
 * Whether an element is really seen: not covered, not see-through, not turned or shrunk by the page around the frame, and
 * for a while already: a cover that is taken away as the button goes down would leave the click to what nobody had seen.
 *
 * Chromium's observer tells (Intersection Observer v2). Where the browser does not, everything counts as seen: then the
 * words in the badge, and the stop button, are what there is.
 */

interface SightOptions extends IntersectionObserverInit {
  readonly trackVisibility: boolean;
  readonly delay: number;
}

/** The least that browsers allow. */
const DELAY_MS = 100;

/** A click counts after so long in plain sight, without a break: long enough to see what one clicks on. */
export const STEADY_MS = 1_000;

/** Since when something has been seen. */
export class SteadySight {
  #sinceMs: number | undefined;

  report(seen: boolean, nowMs: number): void {
    if (!seen) this.#sinceMs = undefined;
    else this.#sinceMs ??= nowMs;
  }

  steady(nowMs: number): boolean {
    return this.#sinceMs !== undefined && nowMs - this.#sinceMs >= STEADY_MS;
  }
}

export class PlainSight {
  readonly #sight = new SteadySight();
  readonly #tells = "isVisible" in IntersectionObserverEntry.prototype;

  constructor(target: Element) {
    const options: SightOptions = { threshold: [0, 0.5, 0.9, 1], trackVisibility: true, delay: DELAY_MS };
    new IntersectionObserver((entries) => {
      // as: v2
      for (const { isVisible } of entries as (IntersectionObserverEntry & { readonly isVisible?: boolean })[])
        this.#sight.report(isVisible ?? true, performance.now());
    }, options).observe(target);
  }

  /** For {@link STEADY_MS} without a break. */
  get plain(): boolean {
    return !this.#tells || this.#sight.steady(performance.now());
  }
}

/**
 * Whether an element is really seen: not covered, not see-through, not turned or shrunk by the page around the frame.
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

export class PlainSight {
  #plain = true;

  constructor(target: Element) {
    const options: SightOptions = { threshold: [0, 0.5, 0.9, 1], trackVisibility: true, delay: DELAY_MS };
    new IntersectionObserver((entries) => {
      const last = entries.at(-1) as (IntersectionObserverEntry & { readonly isVisible?: boolean }) | undefined; // as: v2
      this.#plain = last?.isVisible ?? true;
    }, options).observe(target);
  }

  get plain(): boolean {
    return this.#plain;
  }
}

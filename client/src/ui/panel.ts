/**
 * The panel that holds the cards of all downloads of a page: one custom element with a shadow root.
 *
 * Rules:
 * - The element's name is never registered: a valid name may carry a shadow root as it is, and two versions of this script
 *   on one page cannot quarrel about a registration.
 * - It hangs below the root element, not the body: a page may replace its body, transform it or make it inert.
 * - The focus is never taken from where the visitor was, unless the visitor asked for the panel.
 * - What is said aloud goes through one polite live region: milestones, no figures (card-speech.ts).
 */

import { Card, type CardOptions } from "./card.ts";
import { button, element, sign } from "./elements.ts";
import { PANEL_CSS } from "./panel-style.ts";
import type { Words } from "./words.ts";

const ELEMENT_NAME = "distribute-panel";

/** A live region must have been there for a moment before it speaks. */
const SPEECH_DELAY_MS = 200;
/** What was said is forgotten after some more. */
const SPEECHES_KEPT = 3;

/** What the owner of a download gives; the panel adds the rest. */
export type NewCard = Omit<CardOptions, "words" | "changed"> & {
  /** Where the focus goes when the panel is gone. */
  readonly opener: HTMLElement;
};

export class Panel {
  readonly words: Words;
  readonly #host = document.createElement(ELEMENT_NAME);
  /** Room for what comes after the cards, and for what is always in sight: the panel stays while that has `data-stays`. */
  readonly more = element("div");
  readonly foot = element("div");
  readonly #cards = element("div");
  readonly #polite = element("div", { className: "unseen", attributes: { "aria-live": "polite" } });
  readonly #section: HTMLElement;
  readonly #pill: HTMLButtonElement;
  #shown: Card[] = [];

  constructor(words: Words) {
    this.words = words;
    const shadow = this.#host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(PANEL_CSS);
    shadow.adoptedStyleSheets = [sheet];
    const fold = button("", () => {
      this.#minimise(true);
    });
    fold.setAttribute("aria-label", words.say("minimise"));
    fold.append(sign("fold"));
    this.#section = element(
      "section",
      { attributes: { "aria-label": words.say("panel") } },
      element("header", {}, element("h2", { text: words.say("panel") }), fold),
      element("div", { className: "cards" }, this.#cards, this.more),
      this.foot,
    );
    this.#pill = button(
      "",
      () => {
        this.#minimise(false);
      },
      "primary",
    );
    this.#pill.hidden = true;
    const frame = element(
      "div",
      { className: "frame", attributes: { lang: words.language.tag } },
      this.#section,
      this.#pill,
      this.#polite,
    );
    shadow.append(frame);
    // Escape folds the panel away; it never ends a download.
    this.#section.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#minimise(true);
    });
  }

  /** Adds a card on top; the panel comes into the page with its first card. */
  add({ opener, actions, ...rest }: NewCard): Card {
    for (const other of this.#shown) other.fold();
    const card = new Card({
      ...rest,
      words: this.words,
      changed: (speech) => {
        this.show();
        if (speech !== undefined) this.speak(speech);
      },
      actions: {
        ...actions,
        dismiss: () => {
          this.#remove(card, opener);
          actions.dismiss();
        },
      },
    });
    this.#shown = [card, ...this.#shown];
    this.#cards.prepend(card.root);
    this.#attach();
    return card;
  }

  /** Brings a card before the visitor, who asked for it. */
  reveal(card: Card): void {
    this.#attach();
    this.#minimise(false);
    card.root.focus();
    card.root.scrollIntoView({ block: "nearest" });
  }

  /** Shows what is new, also folded; leaves the page when there is nothing to show. */
  show(): void {
    if (this.#shown.length === 0 && this.foot.querySelector("[data-stays]") === null) {
      this.#host.remove();
      return;
    }
    this.#attach();
    this.#refresh();
  }

  /** Into the page; also back into it, when the page has thrown it out with what it replaced. */
  #attach(): void {
    const frame = this.#section.parentElement;
    const rtl = this.words.language.direction === "rtl" || getComputedStyle(document.body).direction === "rtl";
    frame?.setAttribute("dir", rtl ? "rtl" : "ltr");
    if (this.#host.isConnected) return;
    // Another version of this script has a panel of its own: the second one takes the other end of the window.
    this.#host.toggleAttribute("data-second", document.querySelector(ELEMENT_NAME) !== null);
    document.documentElement.append(this.#host);
  }

  /** Shows what the cards say now in the folded form. */
  #refresh(): void {
    const count = this.#shown.length;
    const percent = this.#shown.map((card) => this.words.percent(card.percent)).join(" · ");
    this.#pill.textContent = count === 0 ? this.words.say("panel") : this.words.say("restore", { count, percent });
  }

  /** Says something aloud. */
  speak(text: string): void {
    setTimeout(() => {
      this.#polite.append(element("p", { text }));
      while (this.#polite.childElementCount > SPEECHES_KEPT) this.#polite.firstElementChild?.remove();
    }, SPEECH_DELAY_MS);
  }

  #remove(card: Card, opener: HTMLElement): void {
    const at = this.#shown.indexOf(card);
    card.root.remove();
    this.#shown.splice(at, 1);
    const next = this.#shown[Math.min(at, this.#shown.length - 1)];
    this.show();
    (next?.root ?? opener).focus();
  }

  #minimise(minimised: boolean): void {
    if (this.#section.hidden === minimised) return;
    this.#section.hidden = minimised;
    this.#pill.hidden = !minimised;
    this.#refresh();
    if (minimised) this.#pill.focus();
    else this.#section.querySelector("button")?.focus();
  }
}

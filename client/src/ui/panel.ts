/**
 * The panel that holds the cards of all downloads of a page: one custom element with a shadow root.
 *
 * The element's name is never registered: a valid name may carry a shadow root as it is, and two versions of this script
 * on one page cannot quarrel about a registration. Focus is never taken away from where the visitor was.
 */

import { Card, type CardActions } from "./card.ts";
import { button, element } from "./elements.ts";
import { PANEL_CSS } from "./panel-style.ts";
import { STRINGS } from "./strings.ts";

const ELEMENT_NAME = "distribute-panel";

export class Panel {
  readonly #host = document.createElement(ELEMENT_NAME);
  readonly #cards = element("div", { className: "cards" });
  readonly #section: HTMLElement;
  readonly #pill: HTMLButtonElement;
  #shown: Card[] = [];
  #minimised = false;

  constructor() {
    const shadow = this.#host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(PANEL_CSS);
    shadow.adoptedStyleSheets = [sheet];
    const minimise = button(
      "",
      () => {
        this.#minimise(true);
      },
      "plain",
    );
    minimise.setAttribute("aria-label", STRINGS.minimise);
    minimise.append(chevron());
    this.#section = element(
      "section",
      { attributes: { "aria-label": STRINGS.panelLabel } },
      element("header", {}, element("h2", { text: STRINGS.panelLabel }), minimise),
      this.#cards,
    );
    this.#pill = button(
      "",
      () => {
        this.#minimise(false);
      },
      "pill primary",
    );
    this.#pill.hidden = true;
    shadow.append(this.#section, this.#pill);
    // Escape folds the panel away; it never ends a download.
    this.#section.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#minimise(true);
    });
  }

  /** Adds a card on top; the panel comes into the page with its first card. */
  add(name: string, peers: ConstructorParameters<typeof Card>[1], actions: CardActions): Card {
    const card = new Card(name, peers, {
      ...actions,
      dismiss: () => {
        this.#remove(card);
        actions.dismiss();
      },
    });
    this.#shown = [card, ...this.#shown];
    this.#cards.prepend(card.root);
    if (!this.#host.isConnected) document.body.append(this.#host);
    return card;
  }

  /** Brings a card into view. */
  reveal(card: Card): void {
    this.#minimise(false);
    card.root.scrollIntoView({ block: "nearest" });
  }

  /** Shows what the cards say now in the folded form. */
  refresh(): void {
    const percents = this.#shown.map((card) => card.percent);
    this.#pill.textContent = `${STRINGS.restore} · ${percents.map((percent) => `${percent} %`).join(", ")}`;
  }

  #remove(card: Card): void {
    card.root.remove();
    this.#shown = this.#shown.filter((other) => other !== card);
    if (this.#shown.length === 0) this.#host.remove();
  }

  #minimise(minimised: boolean): void {
    if (this.#minimised === minimised) return;
    this.#minimised = minimised;
    this.#section.hidden = minimised;
    this.#pill.hidden = !minimised;
    this.refresh();
    if (minimised) this.#pill.focus();
    else this.#section.querySelector("button")?.focus();
  }
}

function chevron(): SVGSVGElement {
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(namespace, "path");
  path.setAttribute("d", "M6 9l6 6 6-6");
  svg.append(path);
  return svg;
}

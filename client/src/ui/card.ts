/** One download in the panel: draws what card-view.ts says, and passes on what is pressed. Decides nothing. */

import type { SentRuns } from "../worker/messages.ts";
import { type CardEvent, type CardState, firstState, nextState, type PeersChoice, percentOf } from "./card-state.ts";
import { speechOf } from "./card-speech.ts";
import { type Action, type ButtonView, type CardView, type Surroundings, viewOf } from "./card-view.ts";
import { button, element, fillChildren, setAttribute, setShape, setText, type Shape, sign } from "./elements.ts";
import { SegmentMap } from "./segment-map.ts";

/** What is done when a button is pressed or the switch is turned; the card is told by {@link Card.tell} what came of it. */
export type CardActions = Readonly<Record<Action, () => void>>;

/** What a card is made for. */
export interface CardOptions extends Surroundings {
  /** What the file is called until its manifest is there. */
  readonly name: string;
  readonly peers: PeersChoice;
  /** Offered when the download has stopped. */
  readonly plainLink: HTMLAnchorElement;
  readonly actions: CardActions;
  /** The figures have changed, and perhaps something is to be said aloud. */
  readonly changed: (speech?: string) => void;
}

const SHAPE_OF: Readonly<Record<CardView["phase"], Shape>> = {
  preparing: "down",
  downloading: "down",
  checking: "down",
  saving: "down",
  unchecked: "warning",
  paused: "pause",
  no_room: "warning",
  verified: "shield",
  save_waits: "shield",
  saved: "shield",
  stopped: "warning",
  followed: "link",
  elsewhere: "link",
  cancelled: "cross",
};

/** The button that takes the focus of one that went. */
const HEIR: Readonly<Partial<Record<Action, Action>>> = { pause: "resume", resume: "pause", choose: "pause" };

export class Card {
  readonly root: HTMLElement;
  readonly #options: CardOptions;
  #state: CardState;
  #map = new SegmentMap(0);
  readonly #name = element("h3");
  readonly #sign = sign("down");
  readonly #headline = element("strong");
  readonly #aside = element("span", { className: "aside" });
  readonly #note = element("p", { className: "note" });
  readonly #status = element(
    "div",
    { className: "status" },
    element("p", { className: "state" }, this.#sign, this.#headline, this.#aside),
    this.#note,
  );
  readonly #fill = element("span");
  readonly #bar = element("div", { className: "bar", attributes: { role: "progressbar" } }, this.#fill);
  readonly #amount = element("span");
  readonly #rate = element("span", { className: "aside" });
  readonly #cells = element("div", { className: "map", attributes: { role: "img" } });
  readonly #summary = element("summary");
  readonly #rows = element("ul");
  readonly #sources = element("details", {}, this.#summary, this.#rows);
  readonly #question: HTMLElement;
  readonly #proof: HTMLDetailsElement;
  readonly #checksum = element("code");
  readonly #signer = element("code");
  readonly #signerNote = element("p", { className: "note" });
  readonly #code = element("p", { className: "note" });
  readonly #plainNote = element("p", { className: "note" });
  readonly #box = element("input", { attributes: { type: "checkbox", role: "switch" } });
  readonly #switch: HTMLElement;
  readonly #buttons = element("div", { className: "row" });
  /** The buttons that are shown, by what they do. */
  #shown = new Map<Action, HTMLButtonElement>();

  constructor(options: CardOptions) {
    const { words, actions, plainLink } = options;
    this.#options = options;
    this.#state = firstState(options.name, options.peers);
    this.#question = element(
      "div",
      { className: "ask" },
      element("p", { text: words.say("ask_peers") }),
      element(
        "div",
        { className: "row" },
        button(words.say("use_donors"), actions.use_donors, "primary"),
        button(words.say("mirrors_only"), actions.mirrors_only),
      ),
    );
    this.#box.addEventListener("change", () => {
      if (this.#box.checked) actions.mirrors_only();
      else actions.use_donors();
    });
    this.#switch = element(
      "div",
      {},
      element("label", {}, this.#box, element("span", { text: words.say("mirrors_only") })),
      element("p", { className: "note", text: words.say("mirrors_only_note") }),
    );
    this.#proof = element(
      "details",
      {},
      element("summary", { text: words.say("proof") }),
      element("h4", { text: words.say("checksum") }),
      element("div", { className: "copy" }, this.#checksum, this.#copyButton()),
      element("h4", { text: words.say("signer") }),
      this.#signer,
      this.#signerNote,
    );
    plainLink.className = "button";
    // It may still match the page's selector, and the loader's listener on the document would take it over again.
    plainLink.addEventListener("click", (event) => {
      event.stopPropagation();
    });
    this.#bar.ariaValueMin = "0";
    this.#bar.ariaValueMax = "100";
    // On a phone the panel must leave room for the page: there the details are folded until they are asked for.
    this.#sources.open = this.#proof.open = matchMedia("(min-width: 481px)").matches;
    const offersDonors = options.peers !== "never";
    this.root = element(
      "article",
      { attributes: { tabindex: "-1" } },
      this.#name,
      this.#status,
      this.#bar,
      element("p", { className: "figures" }, this.#amount, this.#rate),
      this.#cells,
      ...(offersDonors ? [this.#question] : []),
      this.#plainNote,
      plainLink,
      this.#sources,
      this.#proof,
      ...(offersDonors ? [this.#switch] : []),
      this.#code,
      this.#buttons,
    );
    this.#draw();
  }

  /** Whole percent of what is there. */
  get percent(): number {
    return percentOf(this.#state);
  }

  /** Takes in what happened. `sent` comes with a start and with progress: who sent what is new. */
  tell(event: CardEvent, sent?: SentRuns): void {
    const before = this.#state;
    this.#state = nextState(before, event);
    if (event.type === "started") this.#map = new SegmentMap(this.#state.segments);
    if (sent !== undefined) this.#map.add(sent);
    this.#keepFocus(() => {
      this.#draw();
    });
    this.#options.changed(speechOf(before, this.#state, this.#options));
  }

  /** Folds the details away: another card has come, and has something to tell. */
  fold(): void {
    this.#sources.open = this.#proof.open = false;
  }

  #draw(): void {
    const view = viewOf(this.#state, this.#map, this.#options);
    this.root.dataset["tone"] = view.tone;
    setAttribute(this.root, "aria-label", view.name);
    setText(this.#name, view.name);
    this.#name.title = view.name;
    setShape(this.#sign, view.tone === "fair" ? "list" : SHAPE_OF[view.phase]);
    setText(this.#headline, view.state);
    setText(this.#aside, view.aside);
    setText(this.#note, view.note);
    this.#bar.hidden = view.bar === null;
    if (view.bar !== null) {
      this.#fill.style.inlineSize = `${view.bar.percent}%`;
      setAttribute(this.#bar, "aria-label", view.name);
      setAttribute(this.#bar, "aria-valuenow", String(view.bar.percent));
      setAttribute(this.#bar, "aria-valuetext", view.bar.text);
    }
    setText(this.#amount, view.amount);
    setText(this.#rate, view.rate);
    this.#drawMap(view.map);
    this.#drawSources(view);
    this.#question.hidden = !view.asks;
    this.#switch.hidden = view.mirrorsOnly === null;
    this.#box.checked = view.mirrorsOnly === true;
    this.#proof.hidden = view.proof === null;
    setText(this.#checksum, view.proof?.sha256 ?? "");
    setText(this.#signer, view.proof?.signer ?? "");
    setText(this.#signerNote, view.proof?.signerNote ?? "");
    setText(this.#options.plainLink, view.plainLink?.label ?? "");
    setText(this.#plainNote, view.plainLink?.note ?? "");
    setText(this.#code, view.code);
    this.#drawButtons(view.buttons);
  }

  #drawMap(map: CardView["map"]): void {
    this.#cells.hidden = map === null || map.cells.length === 0;
    if (map === null) return;
    setAttribute(this.#cells, "aria-label", map.label);
    this.#cells.style.setProperty("--columns", String(map.columns));
    fillChildren(
      this.#cells,
      map.cells.length,
      () => element("i"),
      (cell, index) => {
        const { mark, full } = map.cells[index] ?? { mark: null, full: false };
        setAttribute(cell, "data-mark", mark === null ? "" : String(mark));
        cell.toggleAttribute("data-full", full);
      },
    );
  }

  #drawSources({ summary, sources }: CardView): void {
    this.#sources.hidden = sources.length === 0;
    setText(this.#summary, summary);
    fillChildren(this.#rows, sources.length, sourceRow, (row, index) => {
      const source = sources[index];
      const [swatch, name, detail, size] = row.children as HTMLCollectionOf<HTMLElement>; // as: made by sourceRow
      if (source === undefined || swatch === undefined) return;
      setAttribute(swatch, "data-mark", source.mark === null ? "" : String(source.mark));
      row.toggleAttribute("data-out", source.out);
      if (name !== undefined) setText(name, source.name);
      if (detail !== undefined) setText(detail, source.detail);
      if (size !== undefined) setText(size, source.size);
    });
  }

  #drawButtons(buttons: readonly ButtonView[]): void {
    const present = [...this.#shown.keys()];
    if (buttons.length === present.length && buttons.every(({ action }, index) => action === present[index])) return;
    const { words, actions } = this.#options;
    this.#shown = new Map(
      buttons.map(({ action, label, primary }) => [
        action,
        button(words.say(label), actions[action], primary === true ? "primary" : ""),
      ]),
    );
    this.#buttons.replaceChildren(...this.#shown.values());
  }

  /** Draws, and gives the focus a place when what had it went: the keyboard must not fall out of the panel. */
  #keepFocus(draw: () => void): void {
    const active = (this.root.getRootNode() as Partial<ShadowRoot>).activeElement ?? null; // as: a lone card has none
    if (!(active instanceof HTMLElement) || !this.root.contains(active)) {
      draw();
      return;
    }
    const had = [...this.#shown].find(([, shown]) => shown === active)?.[0];
    draw();
    if (active.isConnected && active.closest("[hidden]") === null) return;
    const heir = had === undefined ? undefined : HEIR[had];
    (this.#shown.get(heir ?? "dismiss") ?? this.root).focus({ preventScroll: true });
  }

  #copyButton(): HTMLButtonElement {
    const { words, changed } = this.#options;
    const copy = button(words.say("copy"), () => {
      navigator.clipboard.writeText(this.#checksum.textContent).then(
        () => {
          copy.textContent = words.say("copied");
          changed(words.say("copied"));
        },
        () => {
          getSelection()?.selectAllChildren(this.#checksum); // copying is forbidden here: it can be done by hand
        },
      );
    });
    return copy;
  }
}

function sourceRow(): HTMLElement {
  const parts = ["name", "detail", "size"].map((className) => element("span", { className }));
  return element("li", {}, element("i"), ...parts);
}

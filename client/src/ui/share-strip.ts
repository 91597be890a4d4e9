/** Sharing in the panel: draws what share-view.ts says, and passes on what is pressed. */

import { button, element, setText } from "./elements.ts";
import type { MoreWords, ShareView } from "./share-view.ts";

export interface ShareActions {
  readonly start: () => void;
  readonly stop: () => void;
}

export class ShareStrip {
  readonly root: HTMLElement;
  readonly #words: MoreWords;
  readonly #text = element("p");
  readonly #note = element("p", { className: "note" });
  readonly #start: HTMLButtonElement;
  readonly #stop: HTMLButtonElement;

  constructor(words: MoreWords, { start, stop }: ShareActions) {
    this.#words = words;
    this.#start = button(words.say("share"), start);
    this.#stop = button("", stop);
    this.root = element(
      "div",
      { className: "strip share", attributes: { role: "group", "aria-label": words.say("share") } },
      element("div", {}, this.#text, this.#note),
      element("div", { className: "row" }, this.#start, this.#stop),
    );
    this.root.hidden = true;
  }

  /** @param view null: nothing is to be seen. */
  draw(view: ShareView | null): void {
    const had = this.root.contains((this.root.getRootNode() as Partial<ShadowRoot>).activeElement ?? null); // as: not in a panel yet
    this.root.hidden = view === null;
    if (view === null) return;
    this.root.toggleAttribute("data-asks", view.asks);
    this.root.toggleAttribute("data-stays", view.stays);
    setText(this.#text, view.text);
    setText(this.#note, view.note);
    setText(this.#stop, this.#words.say(view.asks ? "share_no" : "share_stop"));
    this.#start.className = view.asks ? "primary" : "";
    this.#start.hidden = view.stays;
    this.#stop.hidden = !view.asks && !view.stays;
    // The focus of a button that went is the other's: the keyboard must not fall out of the panel.
    if (had && this.#start.hidden !== this.#stop.hidden) (this.#start.hidden ? this.#stop : this.#start).focus();
  }
}

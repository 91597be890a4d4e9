/** One download in the panel: what it is, how far it is, where it comes from, and what one can do about it. */

import type { Progress, SourceProgress } from "../worker/messages.ts";
import { button, element, setText } from "./elements.ts";
import { formatRate, formatSize, formatTimeLeft, percentOf, sourceName } from "./format.ts";
import { STRINGS } from "./strings.ts";

/** What a person can do in a card. */
export interface CardActions {
  readonly cancel: () => void;
  readonly pause: () => void;
  readonly resume: () => void;
  readonly dismiss: () => void;
  readonly saveAgain: () => void;
  /** True: mirrors only from now on; false: donors, too. */
  readonly mirrorsOnly: (only: boolean) => void;
}

/** What is known of the file. */
export interface CardFile {
  readonly name: string;
  readonly sizeBytes: number;
}

/** Sources that get a row of their own; more are summed up by the bar alone. */
const SOURCES_SHOWN_MAX = 12;

type Tone = "plain" | "good" | "bad";

export class Card {
  readonly root: HTMLElement;
  readonly #actions: CardActions;
  readonly #title = element("h3");
  readonly #state = element("p", { className: "state", attributes: { role: "status" } });
  readonly #bar = element("div", { className: "bar", attributes: { role: "progressbar", "aria-valuemin": "0" } });
  readonly #keptFill = element("span", { className: "kept-fill" });
  readonly #mirrorFill = element("span", { className: "mirror-fill" });
  readonly #donorFill = element("span", { className: "donor-fill" });
  readonly #received = element("span");
  readonly #speed = element("span");
  readonly #figures = element("div", { className: "figures" }, this.#received, this.#speed);
  readonly #sources = element("ul", { attributes: { "aria-label": STRINGS.sources } });
  readonly #facts = element("div");
  readonly #question = element("div", { className: "ask" });
  readonly #peers = element("div");
  readonly #buttons = element("div", { className: "row" });
  readonly #pause: HTMLButtonElement;
  #file: CardFile | undefined;
  #percent = 0;
  #paused = false;

  /** @param peers whether the choice between donors and mirrors is offered, and how it stands. */
  constructor(name: string, peers: "on" | "ask" | "off" | "not offered", actions: CardActions) {
    this.#actions = actions;
    this.#title.textContent = name;
    this.#bar.append(this.#keptFill, this.#mirrorFill, this.#donorFill);
    this.#bar.setAttribute("aria-label", name);
    this.#figures.hidden = this.#sources.hidden = true;
    this.root = element(
      "article",
      { attributes: { "aria-label": name } },
      this.#title,
      this.#state,
      this.#bar,
      this.#figures,
      this.#question,
      this.#sources,
      this.#facts,
      this.#peers,
      this.#buttons,
    );
    this.#showState(STRINGS.preparing, "plain");
    this.#showPercent(0, STRINGS.preparing);
    this.#pause = button(STRINGS.pause, () => {
      this.#setPaused(!this.#paused);
    });
    this.#pause.hidden = true;
    this.#buttons.append(this.#pause, button(STRINGS.cancel, actions.cancel));
    this.#question.hidden = true;
    if (peers === "ask") this.#ask();
    else if (peers !== "not offered") this.#offerPeers(peers === "on");
  }

  /** Whole percent of what is there. */
  get percent(): number {
    return this.#percent;
  }

  start(file: CardFile): void {
    this.#file = file;
    this.#title.textContent = file.name;
    this.#showState(STRINGS.downloading, "plain");
  }

  progress(progress: Progress): void {
    if (this.#file === undefined) return;
    const { sizeBytes } = this.#file;
    const left = formatTimeLeft(sizeBytes - progress.receivedBytes, progress.rateBytesPerS);
    const rate = formatRate(progress.rateBytesPerS);
    const timeLeft = left === undefined ? STRINGS.unknownTime : STRINGS.timeLeft(left);
    this.#percent = percentOf(progress.receivedBytes, sizeBytes);
    this.#figures.hidden = false;
    setText(this.#received, STRINGS.ofSize(formatSize(progress.receivedBytes), formatSize(sizeBytes)));
    const all = progress.receivedBytes === sizeBytes;
    this.#pause.hidden = all;
    setText(this.#speed, all || this.#paused ? "" : `${rate} · ${timeLeft}`);
    if (all) this.#showState(STRINGS.checking, "plain");
    this.#showPercent(this.#percent, STRINGS.progressText(this.#percent, rate, timeLeft));
    if (progress.keptBytes > 0 && this.#facts.childElementCount === 0) {
      this.#facts.append(element("p", { className: "small", text: STRINGS.kept(formatSize(progress.keptBytes)) }));
    }
    this.#showFills(progress, sizeBytes);
    this.#showSources(progress.sources);
  }

  /** The file is right. `coordinator` is whose list it matches when no key was pinned. */
  verified(sha256: string, signedBy: string | null, coordinator: string): void {
    this.#percent = 100;
    this.#forgetRates();
    this.#bar.dataset["tone"] = "good";
    this.#showPercent(100, STRINGS.saved);
    this.#showState(signedBy === null ? STRINGS.verifiedListed(coordinator) : STRINGS.verifiedPinned, "good");
    this.#question.hidden = true;
    this.#peers.replaceChildren();
    this.#facts.replaceChildren(
      element(
        "details",
        {},
        element("summary", { text: STRINGS.details }),
        element(
          "dl",
          {},
          element("dt", { text: STRINGS.checksum }),
          element("dd", { text: sha256 }),
          element("dt", { text: STRINGS.signer }),
          element("dd", { text: signedBy ?? STRINGS.noSigner }),
        ),
      ),
    );
    setText(this.#speed, "");
  }

  /** The browser wants a click before it saves a second file. */
  saveWaits(): void {
    this.#buttons.replaceChildren(button(STRINGS.save, this.#actions.saveAgain, "primary"));
  }

  saved(): void {
    this.#facts.prepend(element("p", { className: "small", text: STRINGS.saved }));
    this.#buttons.replaceChildren(
      button(STRINGS.saveAgain, this.#actions.saveAgain),
      button(STRINGS.dismiss, this.#actions.dismiss),
    );
  }

  /** It stopped, and will not go on by itself. The plain link is offered, with what it means. */
  failed(message: string, code: string, plainLink: HTMLAnchorElement): void {
    this.#bar.dataset["tone"] = "bad";
    this.#showState(STRINGS.failedIntegrity, "bad");
    this.#state.setAttribute("role", "alert");
    plainLink.className = "link-button";
    plainLink.textContent = STRINGS.plainLink(new URL(plainLink.href).host);
    // It may still match the page's selector, and the loader's listener on the document would take it over again.
    plainLink.addEventListener("click", (event) => {
      event.stopPropagation();
    });
    this.#end([
      element("p", { className: "small", text: STRINGS.reason(message, code) }),
      element("p", { className: "small", text: STRINGS.plainLinkNote }),
    ]);
    this.#buttons.prepend(plainLink);
  }

  /** Something of ours was missing, and the browser follows the link now. */
  followed(message: string, code: string): void {
    this.#bar.hidden = true;
    this.#showState(STRINGS.followed, "plain");
    this.#end([element("p", { className: "small", text: STRINGS.reason(message, code) })]);
  }

  /** The same file is on its way in another tab, and the link is not followed. */
  elsewhere(): void {
    this.#bar.hidden = true;
    this.#showState(STRINGS.elsewhere, "plain");
    this.#end([]);
  }

  cancelled(): void {
    this.#bar.hidden = true;
    this.#showState(STRINGS.cancelled, "plain");
    this.#end([]);
  }

  /** At the end it matters who gave how much, and who lied; no more who was fast, or left when nothing was to do. */
  #forgetRates(): void {
    for (const row of this.#sources.querySelectorAll("li")) {
      if (row.dataset["state"] === "banned") continue;
      row.removeAttribute("data-out");
      row.querySelector(".rate")?.replaceChildren();
    }
  }

  #end(facts: readonly Node[]): void {
    this.#figures.hidden = this.#question.hidden = true;
    this.#peers.replaceChildren();
    this.#facts.replaceChildren(...facts);
    this.#buttons.replaceChildren(button(STRINGS.dismiss, this.#actions.dismiss));
  }

  #ask(): void {
    const answer = (only: boolean) => {
      this.#question.hidden = true;
      this.#offerPeers(!only);
      this.#actions.mirrorsOnly(only);
    };
    this.#question.replaceChildren(
      element("p", { text: STRINGS.askPeers }),
      element(
        "div",
        { className: "row" },
        button(
          STRINGS.askPeersYes,
          () => {
            answer(false);
          },
          "primary",
        ),
        button(STRINGS.askPeersNo, () => {
          answer(true);
        }),
      ),
    );
    this.#question.hidden = false;
  }

  #offerPeers(allowed: boolean): void {
    const box = element("input", { attributes: { type: "checkbox" } });
    box.checked = !allowed;
    box.addEventListener("change", () => {
      this.#actions.mirrorsOnly(box.checked);
    });
    this.#peers.replaceChildren(
      element("label", {}, box, element("span", { text: STRINGS.mirrorsOnly })),
      element("p", { className: "small", text: STRINGS.mirrorsOnlyNote }),
    );
  }

  #setPaused(paused: boolean): void {
    this.#paused = paused;
    this.#pause.textContent = paused ? STRINGS.resume : STRINGS.pause;
    this.#showState(paused ? STRINGS.paused : STRINGS.downloading, "plain");
    if (paused) setText(this.#speed, "");
    if (paused) this.#actions.pause();
    else this.#actions.resume();
  }

  #showState(text: string, tone: Tone): void {
    setText(this.#state, text);
    this.#state.dataset["tone"] = tone;
  }

  #showPercent(percent: number, text: string): void {
    this.#bar.setAttribute("aria-valuemax", "100");
    this.#bar.setAttribute("aria-valuenow", String(percent));
    this.#bar.setAttribute("aria-valuetext", text);
  }

  #showFills({ keptBytes, sources }: Progress, sizeBytes: number): void {
    const share = (bytes: number) => `${((100 * bytes) / Math.max(1, sizeBytes)).toFixed(2)}%`;
    const of = (kind: SourceProgress["kind"]) =>
      sources.filter((source) => source.kind === kind).reduce((sum, source) => sum + source.bytes, 0);
    this.#keptFill.style.inlineSize = share(keptBytes);
    this.#mirrorFill.style.inlineSize = share(of("mirror"));
    this.#donorFill.style.inlineSize = share(of("peer"));
  }

  #showSources(sources: readonly SourceProgress[]): void {
    const shown = sources
      .filter((source) => source.bytes > 0 || source.state !== "removed")
      .slice(0, SOURCES_SHOWN_MAX);
    this.#sources.hidden = shown.length === 0;
    while (this.#sources.children.length > shown.length) this.#sources.lastElementChild?.remove();
    shown.forEach((source, index) => {
      const row = this.#sources.children[index] ?? this.#sources.appendChild(sourceRow());
      fillRow(row as HTMLLIElement, source); // only rows are ever appended
    });
  }
}

function sourceRow(): HTMLLIElement {
  const spans = ["name", "rate", "bytes"].map((className) => element("span", { className }));
  return element("li", {}, ...spans);
}

function fillRow(row: HTMLLIElement, source: SourceProgress): void {
  const [name, rate, bytes] = row.children;
  row.dataset["kind"] = source.kind;
  row.dataset["state"] = source.state;
  row.toggleAttribute("data-out", source.state !== "ready");
  row.title = source.problem ?? "";
  const kind = source.kind === "mirror" ? STRINGS.mirror : STRINGS.donor;
  if (name !== undefined)
    setText(name, source.kind === "mirror" ? `${sourceName(source)} (${kind})` : sourceName(source));
  if (rate !== undefined) setText(rate, stateText(source) ?? formatRate(source.rateBytesPerS));
  if (bytes !== undefined) setText(bytes, formatSize(source.bytes));
}

function stateText(source: SourceProgress): string | undefined {
  switch (source.state) {
    case "ready":
      return undefined;
    case "probation":
      return STRINGS.stateProbation;
    case "excluded":
      return STRINGS.stateExcluded;
    case "banned":
      return STRINGS.stateBanned;
    case "removed":
      return STRINGS.stateRemoved;
  }
}

/**
 * The badge: donating in a frame on somebody else's page.
 *
 * Rules:
 * - Off until a click, and the click counts only while the badge is in plain sight: a page that covers it, or makes it
 *   see-through, could make people click what they do not see. (Chromium tells; other browsers do not.) So does a higher
 *   limit.
 * - Its limits are those of the donor page, kept the same way; they hold for the site that shows it, since browsers keep
 *   frames of different sites apart. It says so.
 * - It measures nothing: until somebody chooses, here or on the donor page of the same site, it gives a rate that few lines
 *   notice (donate/remembered.ts), and does not take that for a choice.
 */

import type { DonorState } from "../donate/donor-control.ts";
import { DonorControl } from "../donate/donor-control.ts";
import type { DonorSettings } from "../donate/messages.ts";
import { WorkerFactory } from "../download/worker-code.ts";
import { BADGE_TEXT } from "./badge-text.ts";
import { DONOR_WORKER, loadCauses, missing, storeExists } from "./donate-needs.ts";
import {
  DAILY_CHOICES,
  forgetAllButCode,
  grantedBytes,
  including,
  raises,
  RATE_STEPS,
  recall,
  remember,
  storageSteps,
} from "./donate-settings.ts";
import { FIGURES, setText, stateWords, switchOf, toneOf } from "./donate-words.ts";
import { element } from "./elements.ts";
import { PlainSight } from "./plain-sight.ts";

/** Written by the build: name of each part and its SRI hash. */
declare const __DIO_PARTS__: Readonly<Record<string, string>>;

const THEMES = ["light", "dark"];
const SIZES = ["s", "m", "l"];

const query = new URLSearchParams(location.search);

/** Size and colours, as the page that shows it asked for. */
function dress(): void {
  const { dataset } = document.documentElement;
  const size = query.get("size") ?? "";
  dataset["size"] = SIZES.includes(size) ? size : "m";
  const wanted = query.get("theme") ?? "";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paint = () => {
    dataset["theme"] = THEMES.includes(wanted) ? wanted : dark.matches ? "dark" : "light";
  };
  dark.addEventListener("change", paint);
  paint();
}

class Badge {
  readonly #control: DonorControl;
  readonly #sight = new PlainSight(element("badge", HTMLElement));
  readonly #main = element("badge", HTMLElement);
  readonly #start = element("start", HTMLButtonElement);
  readonly #stop = element("stop", HTMLButtonElement);
  readonly #erase = element("erase", HTMLButtonElement);
  readonly #more = element("more", HTMLButtonElement);
  readonly #limits = element("limits", HTMLFormElement);
  readonly #storage = element("storage", HTMLSelectElement);
  readonly #rate = element("rate", HTMLSelectElement);
  readonly #daily = element("daily", HTMLSelectElement);
  #stored = false;

  constructor(scriptUrl: string) {
    const url = new URL(DONOR_WORKER, scriptUrl).href;
    const integrity = __DIO_PARTS__[DONOR_WORKER] ?? "";
    this.#control = new DonorControl(
      { coordinatorUrl: location.origin, workers: new WorkerFactory({ kind: "part", url, integrity }) },
      (state) => {
        if (state.is === "running") this.#stored = true;
        if (state.is === "off" && state.erased) {
          this.#stored = false;
          forgetAllButCode();
        }
        this.#show(state);
      },
    );
  }

  async run(): Promise<void> {
    this.#stored = await storeExists();
    const { settings, on } = recall();
    const steps = storageSteps(await grantedBytes());
    this.#fill(settings, steps);
    let accepted = this.#chosen();
    this.#start.addEventListener("click", () => {
      void this.#begin();
    });
    this.#stop.addEventListener("click", () => {
      this.#end(false);
    });
    this.#erase.addEventListener("click", () => {
      this.#end(true);
    });
    this.#more.addEventListener("click", () => {
      this.#open(this.#main.dataset["open"] !== "true");
    });
    this.#limits.addEventListener("input", ({ target }) => {
      const chosen = this.#chosen();
      if (raises(accepted, chosen) && !this.#sight.plain) {
        this.#refuse();
        this.#fill(accepted, steps);
        return;
      }
      if (chosen.storageBytes < accepted.storageBytes && this.#stored) void this.#control.free(chosen.storageBytes);
      accepted = chosen;
      this.#say();
      this.#save(recall().on, target === this.#rate);
      this.#control.change(chosen);
    });
    this.#open(document.documentElement.dataset["size"] === "l");
    setText(element("per-site", HTMLElement), BADGE_TEXT.perSite);
    this.#say();
    this.#show(this.#control.state);
    await this.#explain();
    if (on && recall().on) await this.#control.start(this.#chosen());
  }

  #fill({ storageBytes, upBytesPerS, allowance: { dailyBytes } }: DonorSettings, steps: readonly number[]): void {
    const size = (bytes: number) => [String(bytes), FIGURES.size(bytes)] as const;
    const rate = (bytesPerS: number) => [String(bytesPerS), FIGURES.rate(bytesPerS)] as const;
    const daily = dailyBytes === null ? DAILY_CHOICES : including(DAILY_CHOICES, dailyBytes);
    fill(this.#storage, including(steps, storageBytes).map(size), storageBytes);
    fill(this.#rate, including(RATE_STEPS, upBytesPerS).map(rate), upBytesPerS);
    fill(this.#daily, [["", BADGE_TEXT.noLimit], ...daily.map(size)], dailyBytes ?? "");
  }

  /** The cause's name, and where to complain, once they are known. */
  async #explain(): Promise<void> {
    const told = await loadCauses();
    const cause = told?.causes.find(({ cause: name }) => name === query.get("cause")) ?? told?.causes[0];
    const only = told?.causes.length === 1 || query.has("cause");
    if (cause !== undefined && only)
      setText(element("title", HTMLElement), BADGE_TEXT.title(cause.title || cause.cause));
    if (told === undefined || told.contact === "") return;
    const link = document.createElement("a");
    link.href = told.contact;
    link.target = "_blank";
    link.rel = "noopener";
    link.textContent = BADGE_TEXT.complain;
    element("contact", HTMLElement).replaceChildren(link);
  }

  async #begin(): Promise<void> {
    if (!this.#sight.plain) {
      this.#refuse();
      return;
    }
    this.#save(true, false);
    this.#open(document.documentElement.dataset["size"] === "l");
    await this.#control.start(this.#chosen());
  }

  #refuse(): void {
    const words = element("state", HTMLElement);
    words.dataset["tone"] = "bad";
    setText(words, BADGE_TEXT.covered);
  }

  #end(erase: boolean): void {
    if (!erase) remember({ on: false });
    void this.#control.stop(erase);
  }

  /** The badge's own limits, and the others as they are remembered now: the donor page may have set them meanwhile. */
  #chosen(): DonorSettings {
    const { settings } = recall();
    const cause = query.get("cause");
    const dailyBytes = this.#daily.value === "" ? null : Number(this.#daily.value);
    return {
      ...settings,
      causes: cause === null ? settings.causes : [cause],
      storageBytes: Number(this.#storage.value),
      upBytesPerS: Number(this.#rate.value),
      allowance: { ...settings.allowance, dailyBytes },
    };
  }

  #save(on: boolean, rateChosen: boolean): void {
    remember({ settings: this.#chosen(), on, ...(rateChosen && { rateKnown: true }) });
  }

  #words(state: DonorState): string {
    if (state.is === "elsewhere") return BADGE_TEXT.elsewhere;
    return state.is === "off" && !this.#stored ? BADGE_TEXT.off : stateWords(state, this.#stored);
  }

  #open(open: boolean): void {
    this.#limits.hidden = !open;
    this.#main.dataset["open"] = String(open);
    this.#more.setAttribute("aria-expanded", String(open));
    this.#more.textContent = open ? BADGE_TEXT.close : BADGE_TEXT.limits;
  }

  #say(): void {
    const { storageBytes, upBytesPerS } = this.#chosen();
    setText(element("terms", HTMLElement), BADGE_TEXT.terms(FIGURES.size(storageBytes), FIGURES.rate(upBytesPerS)));
  }

  #show(state: DonorState): void {
    const { on, busy } = switchOf(state);
    const status = state.is === "running" || state.is === "elsewhere" ? state.status : null;
    this.#main.dataset["on"] = String(on);
    this.#start.hidden = on;
    this.#stop.hidden = !on;
    this.#start.disabled = this.#stop.disabled = this.#erase.disabled = busy;
    this.#erase.hidden = on || !this.#stored;
    this.#more.hidden = state.is === "elsewhere";
    const words = element("state", HTMLElement);
    words.dataset["tone"] = toneOf(state);
    setText(words, this.#words(state));
    // What is chosen here would not be heard there.
    for (const select of [this.#storage, this.#rate, this.#daily]) select.disabled = state.is === "elsewhere";
    element("figures", HTMLElement).hidden = status === null;
    if (status === null) return;
    setText(element("rate-now", HTMLElement), FIGURES.rate(status.rateBytesPerS));
    setText(element("served-today", HTMLElement), FIGURES.size(status.servedTodayBytes));
    setText(element("people", HTMLElement), FIGURES.count(status.peopleToday));
  }
}

function fill(
  select: HTMLSelectElement,
  choices: readonly (readonly [string, string])[],
  chosen: number | string,
): void {
  const value = String(chosen);
  select.replaceChildren(...choices.map(([each, text]) => new Option(text, each, each === value, each === value)));
}

const script = document.currentScript;
dress();
const why = missing();
if (why !== undefined) {
  element("state", HTMLElement).dataset["tone"] = "bad";
  setText(element("state", HTMLElement), why);
} else if (script instanceof HTMLScriptElement) void new Badge(script.src).run();

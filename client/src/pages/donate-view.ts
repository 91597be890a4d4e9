/** The donor page's elements: what they say for a state, and what the person chose in them. Decides nothing else. */

import { DEFAULT_BYTES_PER_S_MAX } from "../core/upload-probe.ts";
import type { DonorState } from "../donate/donor-control.ts";
import type { DonorSettings, DonorStatus } from "../donate/messages.ts";
import type { Cause } from "../wire/messages.ts";
import { including, RATE_STEPS, stepOf } from "./donate-settings.ts";
import { showCountries } from "./donate-countries.ts";
import { MoreLimits } from "./donate-limits.ts";
import { HeldMap } from "./donate-map.ts";
import { TEXT } from "./donate-text.ts";
import { FIGURES, leftWords, measuredWords, setText, stateWords, switchOf, toneOf } from "./donate-words.ts";
import { element } from "./elements.ts";

/** Below and above these needs (0 to 1) a cause is well served, and in need. */
const NEED_LOW = 0.2;
const NEED_HIGH = 0.6;

export interface ViewEvents {
  start(): void;
  stop(): void;
  erase(): void;
  /** A slider or a cause was moved. */
  changed(): void;
}

export class DonateView {
  readonly #form = element("settings", HTMLFormElement);
  readonly #storage = element("storage", HTMLInputElement);
  readonly #rate = element("rate", HTMLInputElement);
  readonly #causes = element("causes", HTMLFieldSetElement);
  readonly #start = element("start", HTMLButtonElement);
  readonly #stop = element("stop", HTMLButtonElement);
  readonly #erase = element("erase", HTMLButtonElement);
  readonly #action = element("action", HTMLElement);
  readonly #state = element("state", HTMLElement);
  readonly #live = element("live", HTMLElement);
  readonly #more = new MoreLimits();
  readonly #files = new HeldMap(element("files", HTMLUListElement));
  #steps: readonly number[] = [];
  #rates: readonly number[] = RATE_STEPS;
  /** What was chosen last: counts while none is chosen, and until causes are shown, as without the coordinator. */
  #causesBefore: readonly string[] = [];
  #rateMoved = false;
  #measuring = false;
  /** What the donor of this tab said last; undefined when it runs no more for another reason than that it was stopped. */
  #last: DonorStatus | undefined;

  constructor(events: ViewEvents) {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      events.start();
    });
    this.#form.addEventListener("input", (event) => {
      if (event.target === this.#rate) this.#rateMoved = true;
      this.#causesBefore = this.chosen().causes;
      this.#showLimits();
      events.changed();
    });
    this.#stop.addEventListener("click", () => {
      events.stop();
    });
    this.#erase.addEventListener("click", () => {
      events.erase();
    });
  }

  /** Donating is not possible here, in words. */
  showUnavailable(why: string): void {
    const notice = element("unavailable", HTMLElement);
    notice.textContent = why;
    notice.hidden = false;
  }

  /** A plain word for those whose browser stops pages in the background. */
  showPhone(): void {
    const note = element("phone", HTMLElement);
    note.textContent = TEXT.phone;
    note.hidden = false;
  }

  /** Where to complain. @param contact a mailto: or https: address; empty: none. */
  showContact(contact: string): void {
    const place = element("contact", HTMLElement);
    if (contact === "") {
      place.textContent = TEXT.noContact;
      return;
    }
    const link = document.createElement("a");
    link.href = contact;
    link.textContent = contact.replace(/^mailto:/, "");
    place.replaceChildren(TEXT.complain, link);
  }

  /** Whether the person moved the rate's slider. */
  get rateMoved(): boolean {
    return this.#rateMoved;
  }

  /** The upload is being measured, since nobody chose a rate. Until `endMeasuring` other states are not shown. */
  showMeasuring(): void {
    this.#measuring = true;
    const refocus = document.activeElement === this.#start;
    this.#start.hidden = this.#erase.hidden = true;
    this.#stop.hidden = this.#stop.disabled = false;
    if (refocus) this.#stop.focus();
    setText(this.#state, TEXT.measuring);
  }

  /** What was measured, before anything is given. @param bytesPerS as `measuredWords` takes it. */
  showMeasured(bytesPerS: number | undefined): void {
    this.#start.hidden = false;
    setText(this.#state, measuredWords(bytesPerS, FIGURES.rate(this.chosen().upBytesPerS)));
  }

  endMeasuring(): void {
    this.#measuring = false;
  }

  /** @param measuredBytesPerS what the line was found to send; undefined while it was not measured. */
  showRate(upBytesPerS: number, measuredBytesPerS: number | undefined): void {
    this.#rates = including(RATE_STEPS, upBytesPerS);
    this.#rate.max = String(this.#rates.length - 1);
    this.#rate.value = String(stepOf(this.#rates, upBytesPerS));
    const measured = measuredBytesPerS && FIGURES.rate(measuredBytesPerS);
    element("rate-note", HTMLElement).textContent = TEXT.rateNote(measured, FIGURES.rate(DEFAULT_BYTES_PER_S_MAX));
    this.#showLimits();
  }

  /** Shows the controls with these settings. */
  showSettings(settings: DonorSettings, steps: readonly number[], measuredBytesPerS: number | undefined): void {
    this.#steps = steps;
    this.#causesBefore = settings.causes;
    this.#storage.max = String(steps.length - 1);
    this.#storage.value = String(stepOf(steps, settings.storageBytes));
    element("storage-note", HTMLElement).textContent = TEXT.storageNote(FIGURES.size(steps.at(-1) ?? 0));
    this.#more.show(settings.takersMax, settings.allowance);
    this.showRate(settings.upBytesPerS, measuredBytesPerS);
    this.#form.hidden = false;
    this.#action.hidden = false;
  }

  /** @param causes undefined: they could not be loaded. */
  showCauses(causes: readonly Cause[] | undefined, chosen: readonly string[]): void {
    const note = element("causes-note", HTMLElement);
    note.textContent = causes === undefined ? TEXT.causesUnknown : TEXT.noCauses;
    note.hidden = causes !== undefined && causes.length > 0;
    this.#causes.replaceChildren(...(causes ?? []).map((cause) => causeRow(cause, chosen)));
  }

  /** What the person chose. All causes checked is the same as none named: causes that come later are in, too. */
  chosen(): DonorSettings {
    const boxes = [...this.#causes.querySelectorAll("input")];
    const checked = boxes.filter((box) => box.checked).map((box) => box.value);
    return {
      storageBytes: this.#steps[this.#storage.valueAsNumber] ?? 0,
      upBytesPerS: this.#rates[this.#rate.valueAsNumber] ?? 0,
      causes: checked.length === 0 ? this.#causesBefore : checked.length === boxes.length ? [] : checked,
      takersMax: this.#more.takersMax,
      allowance: this.#more.chosen(),
    };
  }

  /** Whether causes are shown and none is chosen. */
  get noCauseChosen(): boolean {
    const boxes = [...this.#causes.querySelectorAll("input")];
    return boxes.length > 0 && !boxes.some((box) => box.checked);
  }

  /**
   * @param stored whether an earlier visit left something in this browser.
   * @param words said instead of the state's own, once.
   */
  show(state: DonorState, stored: boolean, words?: string): void {
    if (this.#measuring) return;
    const { on, busy } = switchOf(state);
    const status = state.is === "running" || state.is === "elsewhere" ? state.status : null;
    // The focus must not fall off the page when the button under it goes.
    const refocus = document.activeElement === this.#start || document.activeElement === this.#stop;
    this.#start.hidden = on;
    this.#start.disabled = this.noCauseChosen || busy;
    this.#stop.hidden = !on;
    this.#stop.disabled = busy;
    this.#erase.hidden = state.is === "elsewhere" || (!on && !stored);
    this.#erase.disabled = busy;
    if (refocus) (on ? this.#stop : this.#start).focus();
    for (const input of this.#form.querySelectorAll<HTMLInputElement | HTMLSelectElement>("input, select"))
      input.disabled = state.is === "elsewhere";
    this.#action.dataset["on"] = String(on);
    setText(this.#state, words ?? (this.noCauseChosen && !on ? TEXT.chooseCause : stateWords(state, stored)));
    this.#state.dataset["tone"] = toneOf(state);
    if (state.is === "running") this.#last = state.status;
    else if (!stored || (state.is !== "stopping" && state.is !== "freeing" && state.is !== "off"))
      this.#last = undefined;
    // What this tab gave stays to be seen when it has ended.
    const shown = status ?? (this.#last && { ...this.#last, rateBytesPerS: 0, takers: 0, problem: null });
    this.#live.hidden = shown === undefined;
    if (shown !== undefined) this.#showStatus(shown);
  }

  #showLimits(): void {
    const { storageBytes, upBytesPerS } = this.chosen();
    const storage = FIGURES.size(storageBytes);
    const rate = FIGURES.rate(upBytesPerS);
    element("storage-value", HTMLOutputElement).textContent = storage;
    element("rate-value", HTMLOutputElement).textContent = rate;
    this.#storage.setAttribute("aria-valuetext", storage);
    this.#rate.setAttribute("aria-valuetext", rate);
    this.#more.update();
  }

  #showStatus(status: DonorStatus): void {
    const set = (id: string, text: string) => {
      setText(element(id, HTMLElement), text);
    };
    set("rate-now", FIGURES.rate(status.rateBytesPerS));
    set("takers", TEXT.people(status.takers));
    set("served-today", FIGURES.size(status.servedTodayBytes));
    set("left-today", TEXT.today(status.peopleToday, leftWords(status, this.#more.chosen())));
    set("served-ever", FIGURES.size(status.servedBytes));
    set("people", TEXT.fromHere(status.people));
    set("verified", TEXT.verified(FIGURES.size(status.verifiedBytes), status.verifiedPeople));
    set("held-size", TEXT.held(FIGURES.size(status.usedBytes), FIGURES.size(status.limitBytes)));
    const fetching = status.assignedHeld < status.assignedSegments;
    set("fetching", fetching ? TEXT.fetching(status.assignedHeld, status.assignedSegments) : "");
    const problem = element("problem", HTMLElement);
    problem.hidden = status.problem === null;
    setText(problem, status.problem === null ? "" : TEXT.problem(status.problem));
    const bar = element("held-bar", HTMLElement);
    const percent = status.limitBytes === 0 ? 0 : Math.round((100 * status.usedBytes) / status.limitBytes);
    bar.setAttribute("aria-valuenow", String(percent));
    bar.querySelector("span")?.style.setProperty("inline-size", `${percent}%`);
    this.#files.show(status.files);
    element("countries", HTMLElement).hidden = status.countries.length === 0;
    showCountries(element("country-list", HTMLElement), status.countries);
  }
}

function causeRow(cause: Cause, chosen: readonly string[]): HTMLElement {
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.value = cause.cause;
  box.checked = chosen.length === 0 || chosen.includes(cause.cause);
  const text = document.createElement("span");
  const title = document.createElement("strong");
  title.textContent = cause.title === "" ? cause.cause : cause.title;
  const need = document.createElement("span");
  need.className = "need";
  need.dataset["need"] = cause.need >= NEED_HIGH ? "high" : cause.need >= NEED_LOW ? "some" : "low";
  need.textContent = cause.need >= NEED_HIGH ? TEXT.needHigh : cause.need >= NEED_LOW ? TEXT.needSome : TEXT.needLow;
  const words = document.createElement("span");
  words.className = "note";
  const facts = TEXT.causeFacts(cause.files, FIGURES.size(cause.size_bytes));
  words.textContent = cause.text === "" ? facts : `${cause.text} (${facts})`;
  text.append(title, " ", need, words);
  label.append(box, text);
  return label;
}

/** The "More limits" of the donor page: budgets, people at once, hours, and what the device is doing. */

import { NO_LIMITS, type AllowanceLimits } from "../core/allowance.ts";
import { TAKERS_MAX } from "../donate/messages.ts";
import { deviceNow } from "../donate/device-state.ts";
import { DAILY_CHOICES, including, MONTHLY_CHOICES } from "./donate-settings.ts";
import { TEXT } from "./donate-text.ts";
import { FIGURES } from "./donate-words.ts";
import { element } from "./elements.ts";

const HOUR_MINUTES = 60;
const DAY_HOURS = 24;

/** Value of the choice that limits nothing. */
const NONE = "";

export class MoreLimits {
  readonly #daily = element("daily", HTMLSelectElement);
  readonly #monthly = element("monthly", HTMLSelectElement);
  readonly #takersMax = element("takers-max", HTMLSelectElement);
  readonly #from = element("hours-from", HTMLSelectElement);
  readonly #to = element("hours-to", HTMLSelectElement);
  readonly #whileCharging = element("while-charging", HTMLInputElement);
  readonly #unmetered = element("unmetered", HTMLInputElement);

  /** Fills in what can be chosen, and what was. */
  show(takersMax: number, limits: AllowanceLimits): void {
    budget(this.#daily, DAILY_CHOICES, limits.dailyBytes);
    budget(this.#monthly, MONTHLY_CHOICES, limits.monthlyBytes);
    const people = Array.from({ length: TAKERS_MAX }, (_, index) => index + 1);
    fill(
      this.#takersMax,
      people.map((count) => [String(count), String(count)]),
      String(takersMax),
    );
    const hours = Array.from({ length: DAY_HOURS }, (_, hour) => hour * HOUR_MINUTES);
    const [from, to] = limits.hours ?? [undefined, undefined];
    const named = hours.map((minute): [string, string] => [String(minute), timeOfDay(minute)]);
    fill(this.#from, [[NONE, TEXT.anyTime], ...named], from === undefined ? NONE : String(from));
    fill(this.#to, named, String(to ?? 0));
    // Only limits that can be kept here are offered.
    void deviceNow().then(({ charging, metered }) => {
      element("while-charging-row", HTMLElement).hidden = charging === null;
      element("unmetered-row", HTMLElement).hidden = metered === null;
    });
    this.#whileCharging.checked = limits.whileCharging;
    this.#unmetered.checked = limits.unmetered;
    this.update();
  }

  /** Follows what is chosen. */
  update(): void {
    const always = this.#from.value === NONE;
    for (const id of ["hours-and", "hours-to"]) element(id, HTMLElement).hidden = always;
    const limits = this.chosen();
    const set = Object.values(limits).filter((limit) => limit !== null && limit !== false).length;
    const fewer = this.takersMax < TAKERS_MAX ? 1 : 0;
    element("more-note", HTMLElement).textContent = TEXT.moreLimits(set + fewer);
  }

  get takersMax(): number {
    return Number(this.#takersMax.value) || TAKERS_MAX;
  }

  chosen(): AllowanceLimits {
    const [from, to] = [this.#from.value, this.#to.value];
    return {
      ...NO_LIMITS,
      dailyBytes: numberOf(this.#daily),
      monthlyBytes: numberOf(this.#monthly),
      // From a time to the same is all day: no limit.
      hours: from === NONE || from === to ? null : [Number(from), Number(to)],
      whileCharging: this.#whileCharging.checked,
      unmetered: this.#unmetered.checked,
    };
  }
}

function numberOf(select: HTMLSelectElement): number | null {
  return select.value === NONE ? null : Number(select.value);
}

function budget(select: HTMLSelectElement, choices: readonly number[], chosen: number | null): void {
  const all = chosen === null ? choices : including(choices, chosen);
  const named = all.map((bytes): [string, string] => [String(bytes), FIGURES.size(bytes)]);
  fill(select, [[NONE, TEXT.noLimit], ...named], chosen === null ? NONE : String(chosen));
}

function fill(select: HTMLSelectElement, choices: readonly (readonly [string, string])[], chosen: string): void {
  select.replaceChildren(
    ...choices.map(([value, text]) => new Option(text, value, value === chosen, value === chosen)),
  );
}

function timeOfDay(minute: number): string {
  const date = new Date(2_000, 0, 1, Math.floor(minute / HOUR_MINUTES), minute % HOUR_MINUTES);
  return date.toLocaleTimeString(undefined, { hour: "numeric", minute: "2-digit" });
}

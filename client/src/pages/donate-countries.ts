/** Where help went: bytes and people by country, named in the browser's own language. */

import type { CountryFigures } from "../donate/messages.ts";
import { TEXT } from "./donate-text.ts";
import { FIGURES } from "./donate-words.ts";

const COUNTRIES_SHOWN = 8;

const NAMES =
  typeof Intl.DisplayNames === "function" ? new Intl.DisplayNames(undefined, { type: "region" }) : undefined;

export function showCountries(list: HTMLElement, countries: readonly CountryFigures[]): void {
  const all = countries.reduce((sum, { bytes }) => sum + bytes, 0);
  const rows = countries.slice(0, COUNTRIES_SHOWN).map(({ country, bytes, people }) => {
    const item = document.createElement("li");
    const name = document.createElement("span");
    name.className = "name";
    name.textContent = nameOf(country);
    const words = document.createElement("span");
    words.className = "note";
    words.textContent = `${FIGURES.size(bytes)}, ${TEXT.people(people)}`;
    const bar = document.createElement("span");
    bar.className = "share";
    bar.style.setProperty("inline-size", `${all === 0 ? 0 : Math.max(1, Math.round((100 * bytes) / all))}%`);
    item.append(name, words, bar);
    return item;
  });
  list.replaceChildren(...rows);
}

function nameOf(country: string): string {
  if (country === "") return TEXT.somewhere;
  try {
    return NAMES?.of(country) ?? country;
  } catch {
    return country; // a code that this browser does not know
  }
}

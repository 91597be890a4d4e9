/**
 * Which language the panel speaks: the page's, if there is a table for it, else the first of the browser's for which there
 * is one, else English. A panel in the page's own language is least of a stranger there.
 *
 * English comes with the panel; each other language is a part that only those load who read it (docs/reference/page.md). When it cannot be had, English is spoken: a panel is more than its words.
 */

import { ENGLISH } from "./strings-en.ts";
import { type Strings, Words } from "./words.ts";

const ENGLISH_TAG = "en";

/** Languages by their BCP 47 tag, and how they are written. Each is the part `strings-TAG.json`. */
const DIRECTIONS: Readonly<Record<string, "ltr" | "rtl">> = { [ENGLISH_TAG]: "ltr", de: "ltr" };

/** @param wanted BCP 47 tags, the best first. Empty ones are passed over. */
export function chooseLanguage(wanted: readonly string[]): string {
  const bases = wanted.map((tag) => tag.toLowerCase().split("-", 1)[0] ?? "");
  return bases.find((base) => Object.hasOwn(DIRECTIONS, base)) ?? ENGLISH_TAG;
}

/**
 * The words for a visitor.
 *
 * @param wanted as for {@link chooseLanguage}.
 * @param fetchPart fetches a part of this build by its name, checked against its hash.
 */
export async function loadWords(
  wanted: readonly string[],
  fetchPart: (name: string) => Promise<Response>,
): Promise<Words> {
  const tag = chooseLanguage(wanted);
  if (tag !== ENGLISH_TAG) {
    try {
      const answer = await fetchPart(`strings-${tag}.json`);
      const strings = (await answer.json()) as Strings; // as: pinned by its hash, and of this build
      return new Words({ tag, direction: DIRECTIONS[tag] ?? "ltr", strings });
    } catch {
      // English, then.
    }
  }
  return new Words({ tag: ENGLISH_TAG, direction: "ltr", strings: ENGLISH });
}

/**
 * Which language is spoken: the page's, if there is a table for it, else the first of the browser's for which there is one,
 * else English. Words in the page's own language are least of a stranger there.
 */

import type { Strings } from "./words.ts";

const ENGLISH_TAG = "en";

/** Languages by their BCP 47 tag, and how they are written. Each is the part `strings-TAG.json`. */
const DIRECTIONS: Readonly<Record<string, "ltr" | "rtl">> = { [ENGLISH_TAG]: "ltr", de: "ltr" };

/** A language that is no part of any script. */
export interface FetchedLanguage {
  /** BCP 47. */
  readonly tag: string;
  readonly direction: "ltr" | "rtl";
  readonly strings: Strings;
}

/** Fetches a part of this build by its name, checked against its hash. */
export type FetchPart = (name: string) => Promise<Response>;

/** @param wanted BCP 47 tags, the best first. Empty ones are passed over. */
export function chooseLanguage(wanted: readonly string[]): string {
  const bases = wanted.map((tag) => tag.toLowerCase().split("-", 1)[0] ?? "");
  return bases.find((base) => Object.hasOwn(DIRECTIONS, base)) ?? ENGLISH_TAG;
}

/**
 * The visitor's language; undefined when that is English, or cannot be had.
 *
 * @param wanted as for {@link chooseLanguage}.
 */
export async function fetchLanguage(
  wanted: readonly string[],
  fetchPart: FetchPart,
): Promise<FetchedLanguage | undefined> {
  const tag = chooseLanguage(wanted);
  if (tag === ENGLISH_TAG) return undefined;
  try {
    const answer = await fetchPart(`strings-${tag}.json`);
    const strings = (await answer.json()) as Strings; // as: pinned by its hash, and of this build
    return { tag, direction: DIRECTIONS[tag] ?? "ltr", strings };
  } catch {
    return undefined;
  }
}

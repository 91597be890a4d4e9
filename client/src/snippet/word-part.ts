/** Where the words of other languages than English come from, for all who speak to the visitor. */

import type { FetchPart } from "../ui/language-part.ts";
import { pinOf, type LinkOptions } from "./part.ts";

/** Words that have not come by then are not waited for. */
const WORDS_TIMEOUT_MS = 3_000;

/** What the visitor reads: the page's language, then the browser's. */
export function wantedLanguages(): readonly string[] {
  return [document.documentElement.lang, ...navigator.languages];
}

/** Fetches tables of words, each pinned by its hash. */
export function wordFetcher({ partsUrl, parts }: Pick<LinkOptions, "parts" | "partsUrl">): FetchPart {
  return async (name) =>
    fetch(partsUrl + name, {
      integrity: pinOf(parts, name),
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(WORDS_TIMEOUT_MS),
    });
}

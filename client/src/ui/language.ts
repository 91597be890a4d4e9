/**
 * The panel's words in the visitor's language. English comes with the panel; each other language is a part that only those
 * load who read it (docs/reference/page.md). When it cannot be had, English is spoken: a panel is more than its words.
 */

import type { FetchedLanguage } from "./language-part.ts";
import { ENGLISH } from "./strings-en.ts";
import { Words } from "./words.ts";

/** The words in a language that was fetched, or in English. */
export function wordsIn(language: FetchedLanguage | undefined): Words {
  return new Words(language ?? { tag: "en", direction: "ltr", strings: ENGLISH });
}

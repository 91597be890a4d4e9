/**
 * The panel's words in the visitor's language. English comes with the panel; each other language is a part that only those
 * load who read it (docs/reference/page.md). When it cannot be had, English is spoken: a panel is more than its words.
 */

import { fetchLanguage, type FetchPart } from "./language-part.ts";
import { ENGLISH } from "./strings-en.ts";
import { Words } from "./words.ts";

/**
 * The words for a visitor.
 *
 * @param wanted BCP 47 tags, the best first.
 */
export async function loadWords(wanted: readonly string[], fetchPart: FetchPart): Promise<Words> {
  return new Words((await fetchLanguage(wanted, fetchPart)) ?? { tag: "en", direction: "ltr", strings: ENGLISH });
}

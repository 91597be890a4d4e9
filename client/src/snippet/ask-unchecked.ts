/** What a visitor is told where no panel can: the browser's own question. */

import { fetchLanguage } from "../ui/language-part.ts";
import { ALONE_ENGLISH } from "../ui/strings-alone-en.ts";
import type { LinkOptions } from "./part.ts";
import { wantedLanguages, wordFetcher } from "./word-part.ts";

/** What was stopped. */
export interface Stopped {
  readonly name: string;
  readonly code: string;
  /** Of the plain link. */
  readonly host: string;
}

/** Says that a file is not what was signed. Resolves to whether the visitor wants the plain link all the same. */
export async function askUnchecked(stopped: Stopped, options: LinkOptions): Promise<boolean> {
  const { ask_unchecked: text } =
    (await fetchLanguage(wantedLanguages(), wordFetcher(options)))?.strings ?? ALONE_ENGLISH;
  return confirm(text.replace(/\{(\w+)\}/g, (_, key: keyof Stopped) => stopped[key]));
}

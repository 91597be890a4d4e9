/**
 * Entry of `panel.js`: the panel and its cards. Brought in beside the download, which does not wait for it, where the page
 * does not draw its own (`data-ui`).
 */

import { loadWords } from "../ui/language.ts";
import { Panel } from "../ui/panel.ts";
import { registry, type PanelPart } from "./part.ts";

/** Words that have not come by then are not waited for. */
const WORDS_TIMEOUT_MS = 3_000;

const part: PanelPart = {
  async makePanel({ partsUrl, parts }) {
    const wanted = [document.documentElement.lang, ...navigator.languages];
    const words = await loadWords(wanted, (name) =>
      fetch(partsUrl + name, {
        integrity: parts[name] ?? "",
        credentials: "omit",
        referrerPolicy: "no-referrer",
        signal: AbortSignal.timeout(WORDS_TIMEOUT_MS),
      }),
    );
    return new Panel(words);
  },
};

const script = document.currentScript instanceof HTMLScriptElement ? document.currentScript : undefined;
registry()[script?.integrity ?? ""] = part;

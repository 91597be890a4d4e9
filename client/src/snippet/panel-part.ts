/**
 * Entry of `panel.js`: the panel and its cards. Brought in beside the download, which does not wait for it, where the page
 * does not draw its own (`data-ui`).
 */

import { wordsIn } from "../ui/language.ts";
import { Panel } from "../ui/panel.ts";
import { registry, type PanelPart } from "./part.ts";

const part: PanelPart = {
  makePanel: (language) => new Panel(wordsIn(language)),
};

const script = document.currentScript instanceof HTMLScriptElement ? document.currentScript : undefined;
registry()[script?.integrity ?? ""] = part;

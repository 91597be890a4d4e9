/** What the panel has after its cards: the strip about sharing, and the list of unfinished downloads. */

import { MORE_CSS } from "./more-style.ts";
import type { Panel } from "./panel.ts";
import { ShareStrip, type ShareActions } from "./share-strip.ts";
import type { MoreWords } from "./share-view.ts";
import { MORE_ENGLISH } from "./strings-more-en.ts";
import { UnfinishedList } from "./unfinished-rows.ts";
import { Words } from "./words.ts";

export class PanelFooter {
  readonly words: MoreWords;
  readonly strip: ShareStrip;
  readonly list: UnfinishedList;

  /** Puts it into a panel, which has none yet. */
  constructor(panel: Panel, actions: ShareActions) {
    const { language } = panel.words;
    // Tables of other languages have all keys; English has these in a part of its own.
    this.words = new Words({ ...language, strings: { ...MORE_ENGLISH, ...language.strings } });
    this.strip = new ShareStrip(this.words, actions);
    this.list = new UnfinishedList(this.words);
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(MORE_CSS);
    (panel.more.getRootNode() as ShadowRoot).adoptedStyleSheets.push(sheet); // as: the panel's
    panel.more.append(this.list.root);
    panel.foot.append(this.strip.root);
  }
}

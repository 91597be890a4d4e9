/** The list of unfinished downloads, on the coordinator's front page and in the panel: sizes, when, go on, delete. */

import { deleteUnfinished, type UnfinishedDownload } from "../saving/kept-files.ts";
import { button, element } from "./elements.ts";
import type { MORE_ENGLISH } from "./strings-more-en.ts";
import type { Words } from "./words.ts";

/** The words of this list are all in the second table. */
export type ListWords = Words<typeof MORE_ENGLISH>;

const MINUTE_MS = 60_000;
const STEPS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["day", 24 * 60 * MINUTE_MS],
  ["hour", 60 * MINUTE_MS],
  ["minute", MINUTE_MS],
];

/** What is known of one, in two texts. */
export function wordsOf(
  { fileId, name, sizeBytes, storedBytes, changedAtMs, running }: UnfinishedDownload,
  nowMs: number,
  words: ListWords,
): { readonly name: string; readonly state: string } {
  const percent = words.percent(Math.floor((100 * storedBytes) / Math.max(1, sizeBytes)));
  const when = running ? words.say("unfinished_running") : ago(Math.max(0, nowMs - changedAtMs), words.language.tag);
  return {
    name: name?.split("/").at(-1) ?? fileId,
    state: words.say("unfinished_state", { percent, size: words.size(sizeBytes), when }),
  };
}

/** The button that deletes one; `done` is called when it is gone, or could not be removed. */
export function deleteButton(
  { fileId, running }: UnfinishedDownload,
  name: string,
  words: ListWords,
  done: () => void,
) {
  const made = button(words.say("unfinished_delete"), () => {
    // It may have been started again meanwhile: then it stays, and the list says so.
    void deleteUnfinished(fileId)
      .catch(() => undefined)
      .then(done);
  });
  made.setAttribute("aria-label", words.say("unfinished_delete_name", { name }));
  made.disabled = running;
  return made;
}

/** The list as it stands in the panel. */
export class UnfinishedList {
  readonly root: HTMLDetailsElement;
  readonly #words: ListWords;
  readonly #summary = element("summary");
  readonly #rows = element("ul");

  constructor(words: ListWords) {
    this.#words = words;
    this.root = element("details", { className: "strip" }, this.#summary, this.#rows);
    this.root.hidden = true;
  }

  /**
   * @param downloads those that do not run in any tab.
   * @param goOn called with the one that is to go on.
   * @param changed called when one was deleted.
   */
  draw(
    downloads: readonly UnfinishedDownload[],
    goOn: (download: UnfinishedDownload) => void,
    changed: () => void,
  ): void {
    const words = this.#words;
    this.root.hidden = downloads.length === 0;
    this.#summary.textContent = words.say("unfinished", { count: downloads.length });
    const focused = focusIn(this.root);
    const had = [...this.#rows.children].findIndex((row) => row.contains(focused));
    const label = focused?.getAttribute("aria-label");
    const rows = downloads.map((download) => {
      const { name, state } = wordsOf(download, Date.now(), words);
      const go = button(words.say("unfinished_go_on"), () => {
        goOn(download);
      });
      go.setAttribute("aria-label", `${words.say("unfinished_go_on")}: ${name}`);
      return element(
        "li",
        { className: "unfinished" },
        element("span", { className: "name", text: name }),
        element("span", { className: "detail", text: state }),
        element("div", { className: "row" }, go, deleteButton(download, name, words, changed)),
      );
    });
    this.#rows.replaceChildren(...rows);
    if (had < 0) return;
    // The focus of a row that went is the next one's, or the panel's first button: the keyboard must not fall out of it.
    const same = [...this.#rows.querySelectorAll("button")].find((made) => made.getAttribute("aria-label") === label);
    const next = rows[Math.min(had, rows.length - 1)]?.querySelector("button");
    (same ?? next ?? (this.root.getRootNode() as ShadowRoot).querySelector("button"))?.focus(); // as: the panel's
  }
}

function focusIn(root: HTMLElement): Element | null {
  return (root.getRootNode() as Partial<ShadowRoot>).activeElement ?? null; // as: not in a panel yet
}

function ago(ms: number, tag: string): string {
  const [unit, unitMs] = STEPS.find(([, each]) => ms >= each) ?? ["minute" as const, MINUTE_MS];
  return new Intl.RelativeTimeFormat(tag, { numeric: "auto" }).format(-Math.floor(ms / unitMs), unit);
}

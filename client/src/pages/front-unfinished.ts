/**
 * The front page's list of downloads that were begun on this site and not finished: each can go on, by the same link as
 * before, or be deleted. Without any, and without a script, there is no such list. It has the panel's words, in the page's
 * language, which is English.
 */

import { listUnfinished, type UnfinishedDownload } from "../saving/kept-files.ts";
import { element } from "../ui/elements.ts";
import { MORE_ENGLISH } from "../ui/strings-more-en.ts";
import { deleteButton, wordsOf, type ListWords } from "../ui/unfinished-rows.ts";
import { Words } from "../ui/words.ts";

/** Fills the section and shows it; hides it when nothing is left. */
export async function showUnfinished(section: HTMLElement): Promise<void> {
  const words: ListWords = new Words({ tag: "en", direction: "ltr", strings: MORE_ENGLISH });
  const rows = (await listUnfinished()).map((download) => row(download, section, words));
  const list = section.querySelector("ul");
  const had = [...(list?.children ?? [])].findIndex((each) => each.contains(document.activeElement));
  list?.replaceChildren(...rows);
  section.hidden = rows.length === 0;
  if (had < 0) return;
  // The focus of a row that went is the next one's, and of the last row the list's of all files.
  const next = rows[Math.min(had, rows.length - 1)]?.querySelector("a") ?? document.getElementById("files-title");
  if (next?.tagName === "H2") next.tabIndex = -1;
  next?.focus();
}

function row(download: UnfinishedDownload, section: HTMLElement, words: ListWords): HTMLLIElement {
  const { name, state } = wordsOf(download, Date.now(), words);
  // What the loader takes over as it does the file's own link; the file it is of is named by its digest.
  const link = element(
    "a",
    { className: "download row", attributes: { "data-distribute": download.fileId } },
    element("span", { className: "name", text: name }),
    element("span", { className: "size", text: state }),
  );
  link.href = download.href ?? `/api/v1/files/${download.fileId}`;
  const remove = deleteButton(download, name, words, () => void showUnfinished(section));
  remove.className = "button";
  return element("li", { className: "unfinished" }, link, remove);
}

/**
 * The front page's list of downloads that were begun on this site and not finished: each can go on, by the same link as
 * before, or be deleted. Without any, and without a script, there is no such list.
 */

import { deleteUnfinished, listUnfinished, type UnfinishedDownload } from "../saving/kept-files.ts";

const MINUTE_MS = 60_000;
const STEPS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["day", 24 * 60 * MINUTE_MS],
  ["hour", 60 * MINUTE_MS],
  ["minute", MINUTE_MS],
];

/** Fills the section and shows it; hides it when nothing is left. */
export async function showUnfinished(section: HTMLElement): Promise<void> {
  const rows = (await listUnfinished()).map((download) => row(download, section));
  section.querySelector("ul")?.replaceChildren(...rows);
  section.hidden = rows.length === 0;
}

function row(download: UnfinishedDownload, section: HTMLElement): HTMLLIElement {
  const { fileId, name, href, sizeBytes, storedBytes, changedAtMs, running } = download;
  const percent = Math.floor((100 * storedBytes) / Math.max(1, sizeBytes));
  const state = running ? "on its way in a tab" : ago(Date.now() - changedAtMs);
  // What the loader takes over as it does the file's own link; the file it is of is named by its digest.
  const link = document.createElement("a");
  link.className = "download row";
  link.dataset["distribute"] = fileId;
  link.href = href ?? `/api/v1/files/${fileId}`;
  link.append(text("name", name ?? fileId), text("size", `${percent} % of ${megabytes(sizeBytes)}, ${state}`));
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button";
  button.textContent = "Delete";
  button.setAttribute("aria-label", `Delete what is stored of ${name ?? fileId}`);
  button.disabled = running;
  button.addEventListener("click", () => {
    // It may have been started again meanwhile: then it stays, and the list says so.
    void deleteUnfinished(fileId)
      .catch(() => undefined)
      .then(() => showUnfinished(section));
  });
  const item = document.createElement("li");
  item.className = "unfinished";
  item.append(link, button);
  return item;
}

function text(className: string, content: string): HTMLSpanElement {
  const span = document.createElement("span");
  span.className = className;
  span.textContent = content;
  return span;
}

function megabytes(bytes: number): string {
  const format = new Intl.NumberFormat("en", { style: "unit", unit: "megabyte", maximumFractionDigits: 1 });
  return format.format(bytes / 1e6);
}

function ago(ms: number): string {
  const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const [unit, unitMs] = STEPS.find(([, each]) => ms >= each) ?? ["minute" as const, MINUTE_MS];
  return format.format(-Math.floor(ms / unitMs), unit);
}

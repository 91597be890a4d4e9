/** What a donor holds: a row for each file, with a map of the parts of it that are here. */

import { heldCells, type HeldCell } from "../core/held-cells.ts";
import type { HeldFile } from "../donate/messages.ts";
import { TEXT } from "./donate-text.ts";
import { FIGURES } from "./donate-words.ts";

/** Files that are listed by name; the rest is counted. */
const FILES_SHOWN = 12;

const SVG = "http://www.w3.org/2000/svg";
const CELL = 10;
const GAP = 2;

/** A row of fewer cells is as wide as this many: cells of a small file are no larger than a finger. */
const ROW_CELLS_MIN = 24;

export class HeldMap {
  readonly #list: HTMLElement;
  #shown = "";

  constructor(list: HTMLElement) {
    this.#list = list;
  }

  show(files: readonly HeldFile[]): void {
    const key = JSON.stringify(files);
    if (key === this.#shown) return;
    this.#shown = key;
    const largest = [...files].sort((left, right) => right.bytes - left.bytes);
    const rows = largest.slice(0, FILES_SHOWN).map(row);
    if (files.length > FILES_SHOWN) {
      const more = document.createElement("li");
      more.textContent = TEXT.more(files.length - FILES_SHOWN);
      more.className = "note";
      rows.push(more);
    }
    this.#list.replaceChildren(...rows);
  }
}

function row(file: HeldFile): HTMLLIElement {
  const name = document.createElement("span");
  name.className = "name";
  name.textContent = file.name === "" ? TEXT.unnamed : file.name;
  const size = document.createElement("span");
  size.className = "note";
  size.textContent = `${TEXT.pieces(file.segments, file.count)}, ${FIGURES.size(file.bytes)}`;
  const item = document.createElement("li");
  item.append(name, size);
  if (file.count > 0) item.append(picture(heldCells(file.count, file.runs, file.assigned)));
  return item;
}

/** Hidden from screen readers: the row's words say how much is held. */
function picture(cells: readonly HeldCell[]): SVGElement {
  const svg = document.createElementNS(SVG, "svg");
  const pitch = CELL + GAP;
  const width = pitch * Math.max(ROW_CELLS_MIN, cells.length) - GAP;
  svg.setAttribute("viewBox", `0 0 ${width} ${CELL}`);
  svg.setAttribute("class", "map");
  svg.setAttribute("aria-hidden", "true");
  svg.append(
    ...cells.map(({ quarters, coming }, place) => {
      const rect = document.createElementNS(SVG, "rect");
      rect.setAttribute("x", String(place * pitch));
      for (const [side, size] of [
        ["width", CELL],
        ["height", CELL],
        ["rx", 2],
      ] as const) {
        rect.setAttribute(side, String(size));
      }
      rect.dataset["held"] = String(quarters);
      if (coming) rect.dataset["coming"] = "";
      return rect;
    }),
  );
  return svg;
}

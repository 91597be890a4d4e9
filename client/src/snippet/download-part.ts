/** The page's half of `download.js`: what the loader brings in when somebody is about to use a link. */

import { donorsAllowed } from "./donors.ts";
import { Preparation } from "../download/preparation.ts";
import { WorkerFactory } from "../download/worker-code.ts";
import { fetchLanguage } from "../ui/language-part.ts";
import type { Panel } from "../ui/panel.ts";
import { LinkDownload, targetOf } from "./link-download.ts";
import type { SentRuns } from "../worker/messages.ts";
import {
  pinOf,
  registry,
  type DownloadPart,
  type Follower,
  type LinkOptions,
  type MorePart,
  type PanelPart,
  type RunningTag,
  type StoredDownload,
} from "./part.ts";
import { wantedLanguages, wordFetcher } from "./word-part.ts";

/** Page and workers run the same text: it is in the browser's cache by then. */
const WORKER_PART = "download.js";
const PANEL_PART = "panel.js";
const MORE_PART = "more.js";

const running = new Map<string, LinkDownload>();
const factories = new Map<string, WorkerFactory>();
/** The page's one panel; it comes into the page with its first download. */
let panel: Promise<Panel | undefined> | undefined;
/** Whether it is there: before that, nobody could be told of donors. */
let hasPanel = false;

/** A download goes on without the panel, whose card may come as late as this. */
const PANEL_TIMEOUT_MS = 60_000;

/** Without a click for so long after a press, what was made ready is given up. */
const PRESS_MS = 3_000;

/** What the last press made ready. */
let pressed:
  | { readonly key: string; readonly preparation: Preparation; readonly timer: ReturnType<typeof setTimeout> }
  | undefined;

const part: DownloadPart = {
  prepare(link, options) {
    const key = keyOf(link, options);
    // The focus comes to a link with its press, and the pointer passes it again: its workers are taken.
    if (pressed?.key === key || running.has(key)) return;
    workers(options).prepare();
    if (options.ui === "panel") panel ??= makePanel(options);
  },
  press(plain, options) {
    const key = keyOf(plain, options);
    if (pressed?.key === key || running.has(key)) return;
    takePressed("");
    const preparation = prepared(plain, options);
    pressed = { key, preparation, timer: setTimeout(() => takePressed(""), PRESS_MS) };
  },
  release: () => void takePressed(""),
  downloadLink(link, plain, options) {
    // A second click on what runs already is a question where it is, not a wish for two.
    const key = keyOf(plain, options);
    const present = running.get(key);
    if (present !== undefined) {
      present.reveal();
      return;
    }
    const preparation = takePressed(key) ?? prepared(plain, options);
    preparation.seek();
    const shown =
      options.ui === "panel"
        ? { panel: preparation.asked.then(() => (panel ??= makePanel(options))), isHere: hasPanel }
        : undefined;
    const download = new LinkDownload(
      { link, plain, preparation },
      options,
      shown,
      options.ui === "panel" ? (stored, sent) => follow(options, stored, sent) : undefined,
    );
    running.set(key, download);
    void download.run().finally(() => running.delete(key));
  },
};

/** What the panel has beyond its cards; without it there is just that much less. */
async function follow(
  options: RunningTag,
  stored: StoredDownload,
  sent: readonly SentRuns[],
): Promise<Follower | undefined> {
  try {
    const more = (await options.load(MORE_PART)) as MorePart; // as: pinned by its hash
    const shown = await panel;
    return shown && more.follow(shown, options, stored, sent, part);
  } catch {
    return undefined;
  }
}

/** Begins what a download of a link needs. */
function prepared(plain: HTMLAnchorElement, options: RunningTag): Preparation {
  const { coordinatorUrl, keys, peers } = options;
  const advice = options.advise(coordinatorUrl);
  const preparation = new Preparation({ coordinatorUrl, keys, workers: workers(options), advice }, targetOf(plain));
  if (donorsAllowed(peers, options.ui === "none" || hasPanel) === "on") preparation.allowPeers();
  return preparation;
}

/** What makes two clicks mean the same download; what was made ready by one tag's keys and peers is no other tag's. */
function keyOf(plain: HTMLAnchorElement, { coordinatorUrl, keys, peers }: LinkOptions): string {
  return [coordinatorUrl, keys.join(), peers, plain.dataset["distribute"] ?? "", plain.href].join(" ");
}

/** What was made ready for this link. What was made ready for another one is ended. */
function takePressed(key: string): Preparation | undefined {
  const last = pressed;
  if (last === undefined) return undefined;
  pressed = undefined;
  clearTimeout(last.timer);
  if (last.key === key) return last.preparation;
  last.preparation.end();
  return undefined;
}

/** The panel; undefined when it cannot be had at the second try either, and the next download tries again. */
async function makePanel(options: RunningTag): Promise<Panel | undefined> {
  const load = () => options.load(PANEL_PART, PANEL_TIMEOUT_MS);
  try {
    const part = (await load().catch(load)) as PanelPart; // as: pinned by its hash
    const made = part.makePanel(await fetchLanguage(wantedLanguages(), wordFetcher(options)));
    hasPanel = true;
    return made;
  } catch {
    panel = undefined;
    return undefined;
  }
}

/** The factory of an address; its code is fetched once for all downloads. */
function workers(options: LinkOptions): WorkerFactory {
  const url = options.workerUrl ?? options.partsUrl + WORKER_PART;
  let factory = factories.get(url);
  if (factory === undefined) {
    factory = new WorkerFactory(
      options.workerUrl === null
        ? { kind: "part", url, integrity: pinOf(options.parts, WORKER_PART) }
        : { kind: "installed", url },
    );
    factories.set(url, factory);
  }
  return factory;
}

/** Leaves in the registry what the loader asks for. */
export function offerDownloads(): void {
  const script = document.currentScript instanceof HTMLScriptElement ? document.currentScript : undefined;
  registry()[script?.integrity ?? ""] = part;
}

/**
 * Entry of `more.js`: what the panel has beyond its cards, brought in once the first bytes of a download are here. It offers
 * to share (data-share), and lists what earlier visits left unfinished.
 */

import { peersAllowed } from "../download/preferences.ts";
import { StoredChoice, type Choice } from "../download/stored-choice.ts";
import { WorkerFactory } from "../download/worker-code.ts";
import { listUnfinished, type UnfinishedDownload } from "../saving/kept-files.ts";
import { SHARE_KEY } from "../share/messages.ts";
import { ShareControl } from "../share/share-control.ts";
import type { Panel } from "../ui/panel.ts";
import { PanelFooter } from "../ui/panel-footer.ts";
import { isSharedWith, sharesNow, shareView } from "../ui/share-view.ts";
import {
  pinOf,
  registry,
  type DownloadPart,
  type LinkOptions,
  type MorePart,
  type RunningTag,
  type StoredDownload,
} from "./part.ts";

const WORKER_PART = "donor-worker.js";

/** What the visitor said about helping others, for all pages of this site. */
const shareChoice = new StoredChoice(SHARE_KEY);

/** The footer of a page's one panel. */
class Footer {
  readonly #panel: Panel;
  readonly #options: RunningTag;
  readonly #goOn: DownloadPart;
  readonly #shown: PanelFooter;
  readonly #control: ShareControl;
  readonly #sessionUrl: string;
  /** Chosen on this page, which can store nothing: it is known here only. */
  #mirrorsOnly = false;

  constructor(panel: Panel, options: RunningTag, { sessionUrl, page }: StoredDownload, goOn: DownloadPart) {
    this.#panel = panel;
    this.#options = options;
    this.#goOn = goOn;
    this.#sessionUrl = sessionUrl;
    this.#shown = new PanelFooter(panel, {
      start: () => {
        this.#choose("on");
      },
      stop: () => {
        this.#choose("off");
      },
    });
    this.#control = new ShareControl(
      workersOf(options),
      { sessionUrl, page },
      () => {
        this.#draw();
      },
      () => this.#isWanted(),
    );
    this.#heed();
  }

  /** A download of the page has begun. One of another coordinator is not shared, nor one whose own tag does not allow it. */
  add(download: StoredDownload, own: LinkOptions): ShareControl | undefined {
    void this.drawUnfinished();
    if (download.sessionUrl !== this.#sessionUrl) return undefined;
    const said = { chosen: shareChoice.get(), peersAllowed: !this.#mirrorsOnly && peersAllowed(own.peers) === "on" };
    if (!isSharedWith(this.#options, own, said)) return undefined;
    this.#control.add(download);
    return this.#control;
  }

  peersChosen(allowed: boolean): void {
    this.#mirrorsOnly = !allowed && peersAllowed("on") === "on";
    this.#heed();
  }

  #choose(choice: Choice): void {
    const before = shareChoice.get();
    shareChoice.set(choice);
    this.#heed();
    if (choice === "on") this.#panel.speak(this.#shown.words.say("said_sharing"));
    else if (before !== undefined) this.#panel.speak(this.#shown.words.say("said_not_sharing"));
  }

  /** Shares, or stops, as everybody's word is by now. */
  #heed(): void {
    if (this.#isWanted()) void this.#control.start();
    else this.#control.stop();
    this.#draw();
  }

  #isWanted(): boolean {
    const { share: policy } = this.#options;
    return policy !== "off" && sharesNow({ policy, ...this.#said() });
  }

  /** The visitor's word, which another tab may have changed. */
  #said(): { readonly chosen: Choice | undefined; readonly peersAllowed: boolean } {
    const allowed = !this.#mirrorsOnly && peersAllowed(this.#options.peers) === "on";
    return { chosen: shareChoice.get(), peersAllowed: allowed };
  }

  #draw(): void {
    const { share: policy } = this.#options;
    const input = { ...this.#said(), state: this.#control.state };
    this.#shown.strip.draw(policy === "off" ? null : shareView({ policy, ...input }, this.#shown.words));
    this.#panel.show();
  }

  async drawUnfinished(): Promise<void> {
    const found = (await listUnfinished()).filter(({ running }) => !running);
    this.#shown.list.draw(
      found,
      (download) => {
        this.#continue(download);
      },
      () => void this.drawUnfinished(),
    );
  }

  /** Goes on with an unfinished download, as a click on its link would. */
  #continue({ fileId, name, href }: UnfinishedDownload): void {
    const link = document.createElement("a");
    link.dataset["distribute"] = fileId;
    link.href =
      href ?? `${this.#options.coordinatorUrl}/files/${(name ?? "").split("/").map(encodeURIComponent).join("/")}`;
    this.#goOn.downloadLink(link, link, this.#options);
  }
}

const footers = new WeakMap<Panel, Footer>();

const part: MorePart = {
  follow(panel, options, download, sent, goOn) {
    let footer = footers.get(panel);
    if (footer === undefined) footers.set(panel, (footer = new Footer(panel, options, download, goOn)));
    const own = footer;
    const control = own.add(download, options);
    for (const runs of sent) control?.stored(download.fileId, runs);
    return {
      stored: (runs) => {
        control?.stored(download.fileId, runs);
      },
      peersChosen: (allowed) => {
        own.peersChosen(allowed);
      },
      ended: (kept) => {
        if (!kept) control?.drop(download.fileId);
        void own.drawUnfinished();
      },
    };
  },
};

/** Starts the donor's worker, which lies beside the download's where a page has installed that. */
function workersOf({ workerUrl, partsUrl, parts }: LinkOptions): WorkerFactory {
  return new WorkerFactory(
    workerUrl === null
      ? { kind: "part", url: partsUrl + WORKER_PART, integrity: pinOf(parts, WORKER_PART) }
      : { kind: "installed", url: new URL(WORKER_PART, workerUrl).href },
  );
}

const script = document.currentScript instanceof HTMLScriptElement ? document.currentScript : undefined;
registry()[script?.integrity ?? ""] = part;

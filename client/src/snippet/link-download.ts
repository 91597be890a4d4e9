/**
 * A click on a link, from the click to the file: runs the download, tells the page by events, shows it in the panel, and
 * decides what becomes of the link when it does not work out.
 *
 * The one decision that matters: when something is not *available*, the link is followed, so nobody is worse off than
 * without us. When bytes or signatures are *wrong*, nothing is followed: the link is offered, with what it means. Nor is it
 * when the visitor ended the download in the browser's own list.
 */

import { asDistributeError } from "../download/errors.ts";
import {
  FileDownload,
  type DownloadObserver,
  type DownloadSettings,
  type FinishedDownload,
} from "../download/file-download.ts";
import { baseName, canSaveNow, saveBlob } from "../download/handover.ts";
import { choosePeers, peersAllowed } from "../download/preferences.ts";
import type { Target } from "../download/coordinator.ts";
import { holdFinished, removeFinished } from "../saving/kept-files.ts";
import type { TrustedFile } from "../download/trust.ts";
import type { WorkerFactory } from "../download/worker-code.ts";
import type { Card } from "../ui/card.ts";
import type { Panel } from "../ui/panel.ts";
import { isIntegrityFailure, type DistributeError } from "../wire/errors.ts";
import type { Progress } from "../worker/messages.ts";
import { followLink, plainCopy } from "./follow-link.ts";
import { announce, NOTHING, type Announcement, type EventKind, type EventLink } from "./link-events.ts";
import type { LinkOptions } from "./part.ts";

/** The browser has copied a file by then, or has at least opened it for good. */
const COPIED_MS = 15 * 60 * 1000;

/** What a download does to the world besides its panel and events; tests give others. */
export interface LinkEffects {
  readonly download: (settings: DownloadSettings, observer: DownloadObserver) => FileDownload;
  readonly save: (blob: Blob, name: string) => void;
  readonly follow: (plain: HTMLAnchorElement) => void;
}

const EFFECTS: LinkEffects = {
  download: (settings, observer) => new FileDownload(settings, observer),
  save: saveBlob,
  follow: followLink,
};

/** What was clicked. */
export interface ClickedLink {
  /** In the page: events come from it, as long as it is there. */
  readonly link: HTMLAnchorElement;
  /** As it was when it was clicked: what counts. */
  readonly plain: HTMLAnchorElement;
}

export class LinkDownload {
  readonly #from: EventLink;
  readonly #plain: HTMLAnchorElement;
  readonly #options: LinkOptions;
  readonly #effects: LinkEffects;
  readonly #panel: Panel | undefined;
  readonly #card: Card | undefined;
  readonly #download: FileDownload;
  #file: TrustedFile | undefined;
  #progress = NOTHING;
  #finished: FinishedDownload | undefined;
  #cancelled = false;
  #started = false;
  #isSaved = false;
  /** Lets the finished file go, which is kept until the visitor has it. */
  #release: (() => void) | undefined;

  constructor(
    { link, plain }: ClickedLink,
    options: LinkOptions,
    workers: WorkerFactory,
    panel: Panel | undefined,
    effects = EFFECTS,
  ) {
    this.#from = { link, href: plain.href, selector: options.selector };
    this.#plain = plain;
    this.#options = options;
    this.#effects = effects;
    this.#panel = panel;
    const peers = peersAllowed(options.peers);
    this.#download = effects.download(
      {
        coordinatorUrl: options.coordinatorUrl,
        keys: options.keys,
        workers,
        place: { serviceWorkerUrl: options.serviceWorkerUrl },
      },
      {
        found: (file) => {
          this.#file = file;
          this.#card?.start({ name: baseName(file.name), sizeBytes: file.sizeBytes });
        },
        started: (progress) => {
          this.#progress = progress;
          this.#card?.progress(progress);
          if (!this.#started) this.#announce("start", { file: this.#file, progress });
          this.#started = true;
        },
        elsewhere: (progress) => {
          this.#card?.elsewhere();
          if (progress !== undefined) this.#progressed(progress);
        },
        progressed: (progress) => {
          this.#progressed(progress);
        },
      },
    );
    this.#card = panel?.add(nameOf(plain), options.peers === "off" ? "not offered" : peers, {
      cancel: () => {
        this.#cancelled = true;
        this.#download.cancel();
      },
      pause: () => {
        this.#download.pause();
      },
      resume: () => {
        this.#download.resume();
      },
      dismiss: () => {
        this.#dismiss();
      },
      saveAgain: () => {
        this.#save();
      },
      mirrorsOnly: (only) => {
        choosePeers(only ? "off" : "on");
        if (only) this.#download.forbidPeers();
        else this.#download.allowPeers();
      },
    });
    if (peers === "on") this.#download.allowPeers();
  }

  /** Runs to the end. Never throws. */
  async run(): Promise<void> {
    try {
      this.#finished = await this.#download.run(targetOf(this.#plain));
    } catch (cause) {
      if (this.#cancelled) this.#card?.cancelled();
      else this.#end(asDistributeError(cause));
      return;
    }
    const { file, progress } = this.#finished;
    this.#progressed(progress);
    this.#card?.verified(file.fileId, file.signedBy, new URL(this.#options.coordinatorUrl).host);
    this.#announce("verified", { file, progress, sha256: file.fileId, signedBy: file.signedBy });
    if (this.#finished.saved) this.#saved();
    else if (this.#panel === undefined || canSaveNow()) this.#save();
    else {
      const { keptName } = this.#finished;
      if (keptName !== null) this.#release = holdFinished(keptName);
      this.#card?.saveWaits();
    }
  }

  /** Brings the download's card into view: its link was clicked again. */
  reveal(): void {
    if (this.#card !== undefined) this.#panel?.reveal(this.#card);
  }

  #progressed(progress: Progress): void {
    this.#progress = progress;
    this.#card?.progress(progress);
    this.#panel?.refresh();
    this.#announce("progress", { file: this.#file, progress });
  }

  /** Hands the file over; the first time, and again on demand. */
  #save(): void {
    const { blob, file } = this.#finished ?? {};
    if (file !== undefined && blob instanceof Blob) this.#effects.save(blob, savedName(this.#plain, file.name));
    if (!this.#isSaved) this.#saved();
  }

  #saved(): void {
    this.#isSaved = true;
    this.#release?.();
    this.#card?.saved();
    this.#announce("saved", { file: this.#file, progress: this.#progress });
  }

  /** "Save again" is not wanted any more: what is stored can go, when the browser has surely copied it. */
  #dismiss(): void {
    const name = this.#finished?.keptName ?? null;
    if (name === null || !this.#isSaved) return;
    setTimeout(() => void removeFinished(name), COPIED_MS);
  }

  #announce(kind: EventKind, what: Announcement): void {
    announce(this.#from, kind, what);
  }

  #end(error: DistributeError): void {
    const { code, message } = error;
    const detail = { file: this.#file, progress: this.#progress, code, message };
    // A pin that is no key counts as one that does not fit: whoever misspells it must hear of it, not lose the check.
    if (isIntegrityFailure(error) || error.code === "bad_argument") {
      this.#card?.failed(message, code, plainCopy(this.#plain));
      this.#announce("error", detail);
      return;
    }
    if (code === "save_interrupted") {
      this.#card?.cancelled();
      this.#announce("error", detail);
      return;
    }
    this.#card?.followed(message, code);
    this.#announce("fallback", detail);
    this.#effects.follow(this.#plain);
  }
}

/** What a link asks for: a file by its id, or whatever its address is a mirror of. */
function targetOf(link: HTMLAnchorElement): Target {
  const fileId = link.dataset["distribute"] ?? "";
  return /^[0-9a-f]{64}$/.test(fileId) ? { fileId } : { href: link.href };
}

/** As the browser does it: `download="NAME"` counts on links of the page's own origin, and nowhere else. */
function savedName(link: HTMLAnchorElement, signed: string): string {
  return link.download !== "" && link.origin === location.origin ? link.download : baseName(signed);
}

/** A name to show until the manifest says the right one. */
function nameOf(link: HTMLAnchorElement): string {
  const last = new URL(link.href).pathname.split("/").findLast((part) => part !== "");
  try {
    return decodeURIComponent(last ?? link.host);
  } catch {
    return last ?? link.host;
  }
}

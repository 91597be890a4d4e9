/**
 * A click on a link, from the click to the file: runs the download, tells the page by events, shows it in the panel, and
 * decides what becomes of the link when it does not work out.
 *
 * The one decision that matters: when something is not *available*, the link is followed, so nobody is worse off than
 * without us. When bytes or signatures are *wrong*, nothing is followed: the link is offered, with what it means. Nor is it
 * when the visitor ended the download in the browser's own list.
 */

import { asDistributeError } from "../download/errors.ts";
import { FileDownload, type FinishedDownload } from "../download/file-download.ts";
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
import { followLink } from "./follow-link.ts";
import { announce } from "./link-events.ts";
import type { LinkOptions } from "./part.ts";

/** The browser has copied a file by then, or has at least opened it for good. */
const COPIED_MS = 15 * 60 * 1000;

const NOTHING: Progress = { receivedBytes: 0, keptBytes: 0, rateBytesPerS: 0, sources: [] };

export class LinkDownload {
  readonly #link: HTMLAnchorElement;
  readonly #options: LinkOptions;
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

  constructor(link: HTMLAnchorElement, options: LinkOptions, workers: WorkerFactory, panel: Panel | undefined) {
    this.#link = link;
    this.#options = options;
    this.#panel = panel;
    const peers = peersAllowed(options.peers);
    this.#download = new FileDownload(
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
          if (!this.#started) announce(this.#link, "start", { file: this.#file, progress });
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
    this.#card = panel?.add(nameOf(link), options.peers === "off" ? "not offered" : peers, {
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
      this.#finished = await this.#download.run(targetOf(this.#link));
    } catch (cause) {
      if (this.#cancelled) this.#card?.cancelled();
      else this.#end(asDistributeError(cause));
      return;
    }
    const { file, progress } = this.#finished;
    this.#progressed(progress);
    this.#card?.verified(file.fileId, file.signedBy, new URL(this.#options.coordinatorUrl).host);
    announce(this.#link, "verified", { file, progress, sha256: file.fileId, signedBy: file.signedBy });
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
    announce(this.#link, "progress", { file: this.#file, progress });
  }

  /** Hands the file over; the first time, and again on demand. */
  #save(): void {
    const { blob, file } = this.#finished ?? {};
    if (file !== undefined && blob instanceof Blob) saveBlob(blob, baseName(file.name));
    if (!this.#isSaved) this.#saved();
  }

  #saved(): void {
    this.#isSaved = true;
    this.#release?.();
    this.#card?.saved();
    announce(this.#link, "saved", { file: this.#file, progress: this.#progress });
  }

  /** "Save again" is not wanted any more: what is stored can go, when the browser has surely copied it. */
  #dismiss(): void {
    const name = this.#finished?.keptName ?? null;
    if (name === null || !this.#isSaved) return;
    setTimeout(() => void removeFinished(name), COPIED_MS);
  }

  #end(error: DistributeError): void {
    const { code, message } = error;
    const detail = { file: this.#file, progress: this.#progress, code, message };
    // A pin that is no key counts as one that does not fit: whoever misspells it must hear of it, not lose the check.
    if (isIntegrityFailure(error) || error.code === "bad_argument") {
      const plainLink = this.#link.cloneNode(false) as HTMLAnchorElement; // a clone has the type of its original
      this.#card?.failed(message, code, plainLink);
      announce(this.#link, "error", detail);
      return;
    }
    if (code === "save_interrupted") {
      this.#card?.cancelled();
      announce(this.#link, "error", detail);
      return;
    }
    this.#card?.followed(message, code);
    announce(this.#link, "fallback", detail);
    followLink(this.#link);
  }
}

/** What a link asks for: a file by its id, or whatever its address is a mirror of. */
function targetOf(link: HTMLAnchorElement): Target {
  const fileId = link.dataset["distribute"] ?? "";
  return /^[0-9a-f]{64}$/.test(fileId) ? { fileId } : { href: link.href };
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

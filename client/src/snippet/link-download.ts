/**
 * A click on a link, from the click to the file: runs the download, tells the page by events, shows it in the panel, and
 * decides what becomes of the link when it does not work out.
 *
 * The one decision that matters: when something is not *available*, the link is followed, so nobody is worse off than
 * without us. When bytes or signatures are *wrong*, nothing is followed: the link is offered, with what it means. Nor is it
 * when the visitor ended the download in the browser's own list.
 *
 * A panel that does not come is waited for by nobody but its card. Until it is there, the page's donors are not met, unless
 * the visitor chose them; without it the file is saved, what is wrong is told by the browser's own question, and a second
 * click follows the link.
 */

import { asDistributeError } from "../download/errors.ts";
import {
  FileDownload,
  type DownloadObserver,
  type DownloadSettings,
  type FinishedDownload,
} from "../download/file-download.ts";
import { baseName, canSaveNow, noteDownload, saveBlob } from "../download/handover.ts";
import type { Preparation } from "../download/preparation.ts";
import { choosePeers, heedMirrorsOnly, peersAllowed } from "../download/preferences.ts";
import type { Target } from "../download/coordinator.ts";
import { holdFinished, removeFinished } from "../saving/kept-files.ts";
import { pickFile } from "../saving/places.ts";
import { tellSaved } from "../saving/other-tab.ts";
import type { TrustedFile } from "../download/trust.ts";
import type { Card } from "../ui/card.ts";
import type { CardEvent } from "../ui/card-state.ts";
import type { NewCard, Panel } from "../ui/panel.ts";
import { isIntegrityFailure, type DistributeError } from "../wire/errors.ts";
import type { Progress, SentRuns } from "../worker/messages.ts";
import { askUnchecked, type Stopped } from "./ask-unchecked.ts";
import { donorsAllowed } from "./donors.ts";
import { followLink, plainCopy } from "./follow-link.ts";
import { announce, NOTHING, type Announcement, type EventKind, type EventLink } from "./link-events.ts";
import type { Follower, LinkOptions, StoredDownload } from "./part.ts";

/** The browser has copied a file by then, or has at least opened it for good. */
const COPIED_MS = 15 * 60 * 1000;

/** A download that has no card by then does what there is to do without one; the card may still come. */
const CARD_MS = 4_000;

/** Who shows a download: the page itself, a card that is on its way or there, or nobody. */
type Display = "page" | "coming" | "card" | "nobody";

/** A page's panel. */
export interface ComingPanel {
  /** Resolves to undefined when it cannot be had. */
  readonly panel: Promise<Panel | undefined>;
  /** It is loaded, and only waits for the download's first request. */
  readonly isHere: boolean;
}

/** What a download does to the world besides its panel and events; tests give others. */
export interface LinkEffects {
  readonly download: (settings: DownloadSettings, observer: DownloadObserver) => FileDownload;
  readonly save: (blob: Blob, name: string) => void;
  readonly mayHandOver: () => boolean;
  readonly follow: (plain: HTMLAnchorElement) => void;
  readonly ask: (stopped: Stopped, options: LinkOptions) => Promise<boolean>;
}

const EFFECTS: LinkEffects = {
  download: (settings, observer) => new FileDownload(settings, observer),
  save: saveBlob,
  mayHandOver: canSaveNow,
  follow: (plain) => {
    noteDownload();
    followLink(plain);
  },
  ask: askUnchecked,
};

/** Brings in what the panel has beyond its cards; undefined when it cannot be had. */
export type Follow = (download: StoredDownload, sent: readonly SentRuns[]) => Promise<Follower | undefined>;

/** What was clicked. */
export interface ClickedLink {
  /** In the page: events come from it, as long as it is there. */
  readonly link: HTMLAnchorElement;
  /** As it was when it was clicked: what counts. */
  readonly plain: HTMLAnchorElement;
  /** What the click needs, or what the press before it made ready. */
  readonly preparation: Preparation;
}

export class LinkDownload {
  readonly #from: EventLink;
  readonly #plain: HTMLAnchorElement;
  readonly #effects: LinkEffects;
  readonly #options: LinkOptions;
  /** Undefined on pages that draw their own. */
  readonly #panel: Promise<Panel | undefined> | undefined;
  #display: Display;
  /** When there is a card, or nobody waits for it any more. */
  readonly #settled: Promise<void>;
  readonly #card: Promise<Card | undefined> | undefined;
  readonly #download: FileDownload;
  readonly #follow: Follow | undefined;
  /** Who hears of what is stored; undefined until it is known to be wanted. */
  #follower: Promise<Follower | undefined> | undefined;
  /** Where verified segments can be found, and what was told of them. */
  #stored: StoredDownload | null = null;
  #sent: SentRuns[] = [];
  /** A page that draws its own was told that the file waits for another click on the link. */
  #clickedAgain: (() => void) | undefined;
  #placeChosen: ((handle: FileSystemFileHandle) => void) | undefined;
  #file: TrustedFile | undefined;
  #progress = NOTHING;
  #finished: FinishedDownload | undefined;
  #cancelled = false;
  #started = false;
  /** The browser saves it already, while the digest of the whole is still to come. */
  #isHandedOver = false;
  #isSaved = false;
  /** Its card was closed while only the digest of the whole was to come. */
  #isClosed = false;
  /** Lets the finished file go, which is kept until the visitor has it. */
  #release: (() => void) | undefined;

  constructor(
    { link, plain, preparation }: ClickedLink,
    options: LinkOptions,
    coming: ComingPanel | undefined,
    more?: Follow,
    effects = EFFECTS,
  ) {
    this.#from = { link, href: plain.href, selector: options.selector };
    this.#plain = plain;
    this.#effects = effects;
    this.#options = options;
    this.#panel = coming?.panel;
    this.#display = coming === undefined ? "page" : "coming";
    this.#follow = more;
    this.#download = effects.download(
      {
        preparation,
        place: { serviceWorkerUrl: options.serviceWorkerUrl },
      },
      {
        found: (file) => {
          this.#file = file;
          const { name, sizeBytes, layout } = file;
          this.#tell({ type: "found", name: baseName(name), sizeBytes, segments: layout.count });
        },
        stores: (download) => {
          this.#endFollowing(false);
          this.#stored = download;
        },
        ...(coming !== undefined && {
          noRoom: () => this.#askForPlace(),
        }),
        started: (progress, sent) => {
          this.#progress = progress;
          this.#sent = [sent];
          this.#tell({ type: "started", progress }, sent);
          if (!this.#started) this.#announce("start", { file: this.#file, progress });
          this.#started = true;
        },
        stored: (blob) => {
          if (this.#file === undefined || !this.#maySave()) return false;
          this.#isHandedOver = true;
          this.#effects.save(blob, savedName(this.#plain, this.#file.name));
          this.#tell({ type: "saving" });
          return true;
        },
        savedAs: (file) => savedName(this.#plain, file.name),
        elsewhere: (progress) => {
          this.#tell({ type: "elsewhere" });
          if (progress !== undefined) this.#progressed(progress);
        },
        progressed: (progress, sent) => {
          this.#progressed(progress, sent);
        },
      },
    );
    this.#card = coming?.panel.then((panel) => panel?.add(this.#newCard(link, options)));
    this.#settled = this.#watchCard();
    if (donorsAllowed(options.peers, coming?.isHere ?? true) === "on") this.#download.allowPeers();
  }

  /** Resolves when it is known who shows this download. */
  #watchCard(): Promise<void> {
    if (this.#card === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const settle = (display: Display) => {
        this.#display = display;
        resolve();
      };
      const late = setTimeout(settle, CARD_MS, "nobody");
      void this.#card?.then((card) => {
        clearTimeout(late);
        settle(card === undefined ? "nobody" : "card");
        const allowed = donorsAllowed(this.#options.peers, card !== undefined);
        if (allowed === "on") this.#download.allowPeers();
        else this.#download.forbidPeers();
      });
    });
  }

  /** The place that the visitor chooses; undefined where there is nothing to choose by. */
  async #askForPlace(): Promise<FileSystemFileHandle | undefined> {
    await this.#settled;
    if (this.#display !== "card") return undefined;
    this.#tell({ type: "no_room" });
    return new Promise((resolve) => (this.#placeChosen = resolve));
  }

  #newCard(opener: HTMLElement, { peers, coordinatorUrl }: LinkOptions): NewCard {
    return {
      name: nameOf(this.#plain),
      peers: peers === "off" ? "never" : peersAllowed(peers),
      coordinator: new URL(coordinatorUrl).host,
      linkHost: this.#plain.host,
      plainLink: plainCopy(this.#plain),
      opener,
      actions: {
        cancel: () => {
          this.#cancelled = true;
          this.#download.cancel();
        },
        pause: () => {
          this.#download.pause();
          this.#tell({ type: "paused" });
        },
        resume: () => {
          this.#download.resume();
          this.#tell({ type: "resumed" });
        },
        choose: () => {
          void pickFile(baseName(this.#file?.name ?? "")).then((handle) => {
            if (handle !== undefined) this.#placeChosen?.(handle);
          });
        },
        dismiss: () => {
          this.#dismiss();
        },
        save: () => {
          this.#save();
        },
        use_donors: () => {
          choosePeers("on");
          this.#peersChosen(true);
        },
        mirrors_only: () => {
          choosePeers("off"); // which all downloads heed, this one, too
        },
      },
    };
  }

  /** Runs to the end. Never throws. */
  async run(): Promise<void> {
    const unheed = heedMirrorsOnly(() => {
      this.#peersChosen(false);
    });
    try {
      this.#finished = await this.#download.run(targetOf(this.#plain));
    } catch (cause) {
      this.#endFollowing(!this.#cancelled);
      if (this.#cancelled) this.#tell({ type: "cancelled", code: null });
      else this.#end(asDistributeError(cause));
      return;
    } finally {
      unheed();
    }
    const { file, progress } = this.#finished;
    const { fileId, signer, signedBy } = file;
    this.#endFollowing(true);
    this.#progressed(progress);
    this.#tell({ type: "verified", proof: { sha256: fileId, signer, pinned: signedBy !== null } });
    this.#announce("verified", { file, progress, sha256: fileId, signedBy });
    if (this.#finished.saved) {
      tellSaved(fileId);
      this.#saved();
      if (this.#isClosed) this.#dismiss();
    } else if (this.#maySave()) this.#save();
    else {
      const { keptName } = this.#finished;
      if (keptName !== null) this.#release = holdFinished(keptName);
      this.#tell({ type: "save_waits" });
      await this.#settled;
      if (this.#display === "page") {
        this.#announce("waiting", { file, progress });
        await new Promise<void>((resolve) => (this.#clickedAgain = resolve));
      }
      if (this.#display !== "card") this.#save();
    }
  }

  /**
   * Its link was clicked again: saves the file that waits for that, brings the download's card into view, or does what the link
   * says where nobody shows it.
   */
  reveal(): void {
    this.#clickedAgain?.();
    if (this.#display === "nobody") {
      this.#effects.follow(this.#plain);
      return;
    }
    void Promise.all([this.#panel, this.#card]).then(([panel, card]) => {
      if (card !== undefined) panel?.reveal(card);
    });
  }

  #progressed(progress: Progress, sent?: SentRuns): void {
    this.#progress = progress;
    this.#tell({ type: "progressed", progress }, sent);
    this.#announce("progress", { file: this.#file, progress });
    if (sent === undefined) return;
    const told = this.#sent;
    if (sent.length > 0) told.push(sent);
    if (progress.receivedBytes > 0) this.#follower ??= this.#startFollowing();
    void this.#follower?.then((follower) => {
      follower?.stored(sent);
      told.length = 0; // it has them all, or nobody wants them
    });
  }

  /** The rest of the panel is brought in when the first bytes are here, and hears of all that was stored by then. */
  async #startFollowing(): Promise<Follower | undefined> {
    if (this.#stored === null) return undefined;
    return this.#follow?.(this.#stored, this.#sent);
  }

  /** @param kept whether what was stored is still there. */
  #endFollowing(kept: boolean): void {
    void this.#follower?.then((follower) => follower?.ended(kept));
    this.#follower = undefined;
  }

  /** Tells the card, in order. The panel's words may still be on their way; the download does not wait for them. */
  #tell(event: CardEvent, sent?: SentRuns): void {
    void this.#card?.then((card) => {
      card?.tell(event, sent);
    });
  }

  #peersChosen(allowed: boolean): void {
    this.#tell({ type: "peers_chosen", allowed });
    void this.#follower?.then((follower) => follower?.peersChosen(allowed));
    if (allowed) this.#download.allowPeers();
    else this.#download.forbidPeers();
  }

  /** Hands the file over; the first time, and again on demand. */
  #save(): void {
    const { blob, file } = this.#finished ?? {};
    if (file !== undefined && blob instanceof Blob) {
      this.#effects.save(blob, savedName(this.#plain, file.name));
      tellSaved(file.fileId);
    }
    if (!this.#isSaved) this.#saved();
  }

  /** Where nobody shows the download, there is nobody to ask for a click. */
  #maySave(): boolean {
    return this.#display === "nobody" || this.#effects.mayHandOver();
  }

  #saved(): void {
    this.#isSaved = true;
    this.#release?.();
    this.#tell({ type: "saved" });
    this.#announce("saved", { file: this.#file, progress: this.#progress });
  }

  /** The card is closed: another tab is not waited for any more, and "save again" is not wanted. */
  #dismiss(): void {
    if (this.#finished === undefined) {
      if (this.#isHandedOver) {
        this.#display = "nobody"; // what is wrong with a file that the browser saves is told all the same
        this.#isClosed = true;
        return;
      }
      this.#cancelled = true;
      this.#download.cancel(); // to no effect when it has ended
      return;
    }
    const name = this.#finished.keptName;
    if (name === null || !this.#isSaved) return;
    // What is stored can go when the browser has surely copied it.
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
      this.#tell({ type: "stopped", code });
      this.#announce("error", detail);
      void this.#askUnchecked(code);
      return;
    }
    // What the browser has saved is not fetched a second time because its digest could not be computed.
    if (this.#isHandedOver) {
      this.#tell({ type: "unchecked", code });
      this.#announce("error", detail);
      return;
    }
    if (code === "save_interrupted") {
      this.#tell({ type: "cancelled", code });
      this.#announce("error", detail);
      return;
    }
    this.#tell({ type: "followed", code });
    this.#announce("fallback", detail);
    this.#effects.follow(this.#plain);
  }

  /** What is wrong is told, and the link offered, also where no card can do it. */
  async #askUnchecked(code: string): Promise<void> {
    await this.#settled;
    if (this.#display !== "nobody") return;
    const name = this.#file === undefined ? nameOf(this.#plain) : baseName(this.#file.name);
    if (await this.#effects.ask({ name, code, host: this.#plain.host }, this.#options))
      this.#effects.follow(this.#plain);
  }
}

/** What a link asks for: a file by its id, or whatever its address is a mirror of. */
export function targetOf(link: HTMLAnchorElement): Target {
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

/** What the loader and the parts know of each other. */

import type { PolicyAdvice } from "../download/policy-advice.ts";
import type { SharedFile } from "../share/messages.ts";
import type { FetchedLanguage } from "../ui/language-part.ts";
import type { Panel } from "../ui/panel.ts";
import type { SentRuns } from "../worker/messages.ts";

/** The tag's attributes, parsed; see docs/reference for their meaning. */
export interface LinkOptions {
  /** CSS selector of the links to take over. */
  readonly selector: string;
  /** Without a slash at the end. */
  readonly coordinatorUrl: string;
  /** Folder of the parts, with a slash at the end. */
  readonly partsUrl: string;
  /** SRI hash of each part by its name. */
  readonly parts: Readonly<Record<string, string>>;
  /** Pinned publisher keys, `ed25519:…`; empty when none is pinned. */
  readonly keys: readonly string[];
  readonly peers: "on" | "ask" | "off";
  readonly share: "ask" | "off" | "on";
  readonly ui: "panel" | "none";
  /** A worker script on the page's own origin; null: a blob worker. */
  readonly workerUrl: string | null;
  /** A service worker on the page's own origin; null: none. */
  readonly serviceWorkerUrl: string | null;
}

/** A tag that runs: its loader brings in the parts. */
export interface RunningTag extends LinkOptions {
  /**
   * Brings in a part by its name.
   *
   * @param timeoutMs of the first who asks for it counts.
   * @throws Error when it cannot be had; what the page's policy lacks for it is on the console then.
   */
  readonly load: (name: string, timeoutMs?: number) => Promise<NonNullable<Registry[string]>>;
  /** Collects what the page's policy refuses of a server's: the loader can, and so no part has it once more. */
  readonly advise: (serverUrl: string) => PolicyAdvice;
}

/** What `download.js` leaves in the registry. */
export interface DownloadPart {
  /** A pointer or the focus is on a link: starts what a download will need of ours. Nobody is asked about the file. */
  prepare(link: HTMLAnchorElement, options: RunningTag): void;
  /**
   * The pointer is down on a link: makes ready what a click will need, as long as that hurts nobody.
   *
   * @param plain the link as it is now.
   */
  press(plain: HTMLAnchorElement, options: RunningTag): void;

  /** No click will come of the last press: what it made ready is ended. */
  release(): void;

  /**
   * Downloads what a link points to, or follows the link. Never throws.
   *
   * @param link in the page: events come from it.
   * @param plain the link as it was when it was clicked: what counts.
   */
  downloadLink(link: HTMLAnchorElement, plain: HTMLAnchorElement, options: RunningTag): void;
}

/** A download whose verified segments lie in the private file system. */
export interface StoredDownload extends SharedFile {
  readonly sessionUrl: string;
  /** The page's name to its coordinators. */
  readonly page: string;
}

/** One download, as `more.js` follows it. */
export interface Follower {
  /** Segments were found right and stored. */
  stored(sent: SentRuns): void;
  peersChosen(allowed: boolean): void;
  /** It ended; `kept`: its bytes are still there. */
  ended(kept: boolean): void;
}

/** What `more.js` leaves in the registry: what the panel has beyond its cards, which no download waits for. */
export interface MorePart {
  /**
   * Offers to share a download, and lists what earlier visits left unfinished.
   *
   * @param sent all that was stored so far; some of it may be told again.
   * @param goOn what takes a link over, as the loader's clicks do.
   */
  follow(
    panel: Panel,
    options: RunningTag,
    download: StoredDownload,
    sent: readonly SentRuns[],
    goOn: DownloadPart,
  ): Follower;
}

/** What `panel.js` leaves in the registry: how a page without a display of its own shows its downloads. */
export interface PanelPart {
  /** The page's panel in the visitor's language; undefined: English. */
  makePanel(language: FetchedLanguage | undefined): Panel;
}

/** Where parts leave what they offer, by the SRI hash that they were loaded with. */
const REGISTRY = Symbol.for("distribute-io");

/** The tags that run on this page. */
const TAGS = Symbol.for("distribute-io:tags");

export type Registry = Partial<Record<string, DownloadPart | MorePart | PanelPart>>;

/** The registry of this page, made on first use. */
export function registry(): Registry {
  const holder = globalThis as unknown as Record<symbol, Registry | undefined>; // as: a property of our own making
  return (holder[REGISTRY] ??= {});
}

/**
 * The pin of a part.
 *
 * @throws Error when there is none: a part without a pin would be run whatever its server sends.
 */
export function pinOf(parts: LinkOptions["parts"], name: string): string {
  const pin = parts[name];
  if (pin === undefined) throw new Error("unpinned");
  return pin;
}

/** Whether no tag with the same attributes runs on this page yet; from now on one does. */
export function isNewTag(options: LinkOptions): boolean {
  const holder = globalThis as unknown as Record<symbol, Set<string> | undefined>; // as: a property of our own making
  const tags = (holder[TAGS] ??= new Set());
  const tag = JSON.stringify(options);
  const isNew = !tags.has(tag);
  tags.add(tag);
  return isNew;
}

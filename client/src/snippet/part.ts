/** What the loader and the download part know of each other. */

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

/** What `download.js` leaves in the registry. */
export interface DownloadPart {
  /** Downloads what a link points to, or follows the link. Never throws. */
  downloadLink(link: HTMLAnchorElement, options: LinkOptions): void;
}

/** Where parts leave what they offer, by the SRI hash that they were loaded with. */
const REGISTRY = Symbol.for("distribute-io");

export type Registry = Partial<Record<string, DownloadPart>>;

/** The registry of this page, made on first use. */
export function registry(): Registry {
  const holder = globalThis as unknown as Record<symbol, Registry | undefined>; // as: a property of our own making
  return (holder[REGISTRY] ??= {});
}

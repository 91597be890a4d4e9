/**
 * The script of the one tag: finds the links, and brings in the rest when somebody is about to use one.
 *
 * Rules:
 * - The page is never worse off. A link keeps its `href`; modified clicks, other buttons, the context menu, and clicks
 *   that the page handled itself are left alone. When anything of ours is missing, the link is followed as it stands.
 * - Nothing is fetched before a pointer, the focus or a click comes to a matching link. Links added later are found too,
 *   since the listeners sit on the document.
 * - Every part is pinned by the SHA-384 that was written here when this file was built.
 * - No global name: parts meet the loader at one symbol of the registry, keyed by their hash, so that several copies and
 *   versions on one page do not disturb each other.
 *
 * This file is on other people's pages for every visitor: it stays below 6 kB after gzip, which the build checks.
 */

import { followLink } from "./follow-link.ts";
import { registry, type DownloadPart, type LinkOptions } from "./part.ts";

/** Written by the build: name of each part and its SRI hash. */
declare const __DIO_PARTS__: Readonly<Record<string, string>>;

const PART = "download.js";
const LOAD_TIMEOUT_MS = 10_000;
const DEFAULT_SELECTOR = "a[data-distribute]";

const script = document.currentScript;
if (script instanceof HTMLScriptElement && usable()) install(script);

/** Browsers give hashing, storage and workers to secure contexts only; without them the plain links are left alone. */
function usable(): boolean {
  return (
    isSecureContext &&
    typeof Worker === "function" &&
    typeof ReadableStream === "function" &&
    typeof crypto === "object" &&
    "subtle" in crypto
  );
}

function install(own: HTMLScriptElement): void {
  const options = readOptions(own);
  if (options === undefined) return;
  let part: Promise<DownloadPart> | undefined;
  const load = () => (part ??= loadPart(options.partsUrl, own.nonce));
  const warm = (event: Event) => {
    if (linkOf(event, options.selector) !== undefined) load().catch(() => undefined); // told at the click
  };
  document.addEventListener("pointerover", warm, { passive: true });
  document.addEventListener("focusin", warm, { passive: true });
  // In the bubbling phase: a page that handles the click itself has called preventDefault by then, and wins.
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = linkOf(event, options.selector);
    if (link === undefined) return;
    event.preventDefault();
    load().then(
      (loaded) => {
        loaded.downloadLink(link, options);
      },
      () => {
        part = undefined; // perhaps it was only the network: the next click tries again
        fallBack(link);
      },
    );
  });
}

/** The script's own attributes; undefined when one is so wrong that the links are better left alone. */
function readOptions(own: HTMLScriptElement): LinkOptions | undefined {
  const data = own.dataset;
  const selector = data["select"] ?? DEFAULT_SELECTOR;
  try {
    document.createDocumentFragment().querySelector(selector);
    const coordinator = new URL(data["coordinator"] ?? new URL(own.src, location.href).origin, location.href);
    return {
      selector,
      coordinatorUrl: coordinator.href.replace(/\/+$/, ""),
      partsUrl: partsUrl(own, coordinator),
      parts: __DIO_PARTS__,
      keys: (data["key"] ?? "").split(/\s+/).filter((key) => key !== ""),
      peers: choice(data["peers"], ["on", "ask", "off"]),
      share: choice(data["share"], ["ask", "off", "on"]),
      ui: choice(data["ui"], ["panel", "none"]),
      workerUrl: data["worker"] === undefined ? null : new URL(data["worker"], location.href).href,
      serviceWorkerUrl: data["sw"] === undefined ? null : new URL(data["sw"], location.href).href,
    };
  } catch {
    return undefined;
  }
}

/**
 * Where the other parts lie: beside this script, be it at its immutable address or on a page's own server. What came from
 * `/distribute.js` cannot know the address that is made from its own hash, and asks for the latest; the hashes decide.
 */
function partsUrl(own: HTMLScriptElement, coordinator: URL): string {
  const here = new URL(".", own.src);
  const latest = own.dataset["coordinator"] === undefined && !/\/v\/[0-9a-f]{32}\/$/.test(here.pathname);
  return latest ? new URL("/v/latest/", coordinator).href : here.href;
}

/** One of the allowed words; the first is the default. */
function choice<Word extends string>(value: string | undefined, allowed: readonly [Word, ...Word[]]): Word {
  return allowed.find((word) => word === value) ?? allowed[0];
}

/** The matching link that an event came through, also out of an open shadow root. */
function linkOf(event: Event, selector: string): HTMLAnchorElement | undefined {
  for (const target of event.composedPath()) {
    if (target instanceof HTMLAnchorElement && target.href !== "" && target.matches(selector)) return target;
  }
  return undefined;
}

/** Loads the download part, pinned by its hash. */
function loadPart(folderUrl: string, nonce: string): Promise<DownloadPart> {
  const integrity = __DIO_PARTS__[PART] ?? "";
  return new Promise((resolve, reject) => {
    const present = registry()[integrity];
    if (present !== undefined) {
      resolve(present);
      return;
    }
    const element = document.createElement("script");
    const timer = setTimeout(() => {
      reject(new Error("timeout"));
    }, LOAD_TIMEOUT_MS);
    element.src = folderUrl + PART;
    element.integrity = integrity;
    element.crossOrigin = "anonymous";
    element.async = true;
    if (nonce !== "") element.nonce = nonce;
    element.onload = element.onerror = () => {
      clearTimeout(timer);
      element.remove();
      const loaded = registry()[integrity];
      if (loaded === undefined) reject(new Error("unavailable"));
      else resolve(loaded);
    };
    document.head.append(element);
  });
}

/** What the part does when something is missing; this is for when the part itself is. */
function fallBack(link: HTMLAnchorElement): void {
  link.dispatchEvent(
    new CustomEvent("distribute:fallback", {
      bubbles: true,
      composed: true,
      detail: {
        fileId: null,
        name: null,
        sizeBytes: null,
        receivedBytes: 0,
        rateBytesPerS: 0,
        sources: [],
        code: "part_unavailable",
        message: "A part of the download script could not be loaded.",
      },
    }),
  );
  followLink(link);
}

/**
 * The script of the one tag: finds the links, and brings in the rest when somebody is about to use one.
 *
 * Rules:
 * - The page is never worse off. A link keeps its `href`; clicks.ts says which clicks are ours. When anything of ours is
 *   missing, the link is followed as it stood at the click.
 * - Nothing is fetched before a pointer, the focus or a click comes to a matching link, and nobody is asked about its file
 *   before the pointer goes down on it; a finger that only scrolls is no press. Links added later are found too, since the listeners sit on the document.
 * - Every part is pinned by the SHA-384 that was written here when this file was built.
 * - No global name: parts meet the loader at symbols of the registry, keyed by their hash, so that several copies and
 *   versions on one page do not disturb each other. A link that two tags select is the first one's. A tag that a
 *   single-page site runs again counts once.
 *
 * This file is on other people's pages for every visitor: it stays below 4 kB after gzip, which the build checks.
 */

import { isPlainClick, linkOf } from "./clicks.ts";
import { followLink, plainCopy } from "./follow-link.ts";
import { announceFallback } from "./link-events.ts";
import { adviceOn } from "../download/policy-advice.ts";
import { loadPart } from "./load-part.ts";
import { isNewTag, type DownloadPart, type LinkOptions, type RunningTag } from "./part.ts";
import { readTag } from "./tag.ts";

const PART = "download.js";

/** A finger that scrolls has moved by then, mostly: the browser has cancelled its pointer. */
const TOUCH_MS = 80;

/** Written by the build: name of each part and its SRI hash. */
declare const __DIO_PARTS__: Readonly<Record<string, string>>;

const script = document.currentScript;
if (script instanceof HTMLScriptElement && usable()) {
  const options = readTag(script, { baseUrl: document.baseURI, parts: __DIO_PARTS__ });
  if (options !== undefined && isNewTag(options)) install(options, script.nonce);
}

/**
 * Browsers give hashing, storage and workers to secure contexts only, and a sandboxed frame without an origin has no
 * storage either; there the plain links are left alone.
 */
function usable(): boolean {
  return (
    isSecureContext &&
    origin !== "null" &&
    typeof Worker === "function" &&
    typeof ReadableStream === "function" &&
    typeof crypto === "object" &&
    "subtle" in crypto
  );
}

function install(read: LinkOptions, nonce: string): void {
  const options: RunningTag = {
    ...read,
    load: (name, timeoutMs) => loadPart(read, name, nonce, timeoutMs),
    advise: adviceOn,
  };
  let part: Promise<DownloadPart> | undefined;
  const load = () => (part ??= options.load(PART) as Promise<DownloadPart>); // as: pinned by its hash
  const warm = (event: Event) => {
    const link = linkOf(event.composedPath(), options.selector);
    if (link === undefined) return;
    load().then(
      (loaded) => {
        loaded.prepare(link, options);
      },
      () => undefined, // told at the click
    );
  };
  document.addEventListener("pointerover", warm, { passive: true });
  document.addEventListener("focusin", warm, { passive: true });
  let touched: number | undefined;
  document.addEventListener(
    "pointerdown",
    (event) => {
      clearTimeout(touched);
      const link = isPlainClick(event) ? linkOf(event.composedPath(), options.selector) : undefined;
      if (link === undefined) return;
      const plain = plainCopy(link);
      const press = () => {
        load().then(
          (loaded) => {
            loaded.press(plain, options);
          },
          () => undefined, // told at the click
        );
      };
      if (event.pointerType === "touch") touched = setTimeout(press, TOUCH_MS);
      else press();
    },
    { passive: true },
  );
  document.addEventListener("pointercancel", () => {
    clearTimeout(touched);
    part?.then(
      (loaded) => {
        loaded.release();
      },
      () => undefined, // told at the click
    );
  });
  // In the bubbling phase: a page that handles the click itself has called preventDefault by then, and wins.
  document.addEventListener("click", (event) => {
    const link = isPlainClick(event) ? linkOf(event.composedPath(), options.selector) : undefined;
    if (link === undefined) return;
    clearTimeout(touched);
    event.preventDefault();
    const plain = plainCopy(link);
    load().then(
      (loaded) => {
        loaded.downloadLink(link, plain, options);
      },
      () => {
        part = undefined; // perhaps it was only the network: the next click tries again
        announceFallback(link, "part_unavailable", "A part of the download script could not be loaded.");
        followLink(plain);
      },
    );
  });
}

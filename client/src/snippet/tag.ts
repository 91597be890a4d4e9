/** The tag's attributes, parsed: docs/reference/page.md says what they mean. */

import type { LinkOptions } from "./part.ts";

const DEFAULT_SELECTOR = "a[data-distribute]";

/** What is used of the script element. */
export interface Tag {
  readonly src: string;
  readonly dataset: Readonly<Partial<Record<string, string>>>;
}

/**
 * @param baseUrl of the document: addresses in attributes are relative to it, as everywhere in HTML.
 * @param parts SRI hash of each part by its name.
 * @returns undefined when an attribute is so wrong that the links are better left alone: a selector that is none, an
 *   address that is none. Words that are none count as the default.
 */
export function readTag(
  tag: Tag,
  { baseUrl, parts }: { readonly baseUrl: string; readonly parts: LinkOptions["parts"] },
): LinkOptions | undefined {
  const data = tag.dataset;
  const selector = data["select"] ?? DEFAULT_SELECTOR;
  const absolute = (address: string | undefined) => (address === undefined ? null : new URL(address, baseUrl).href);
  try {
    document.createDocumentFragment().querySelector(selector);
    const src = new URL(tag.src, baseUrl);
    const coordinator = new URL(data["coordinator"] ?? src.origin, baseUrl);
    return {
      selector,
      coordinatorUrl: coordinator.href.replace(/\/+$/, ""),
      partsUrl: partsUrl(src, data["coordinator"] === undefined, coordinator),
      parts,
      keys: (data["key"] ?? "").split(/\s+/).filter((key) => key !== ""),
      peers: choice(data["peers"], ["on", "ask", "off"]),
      share: choice(data["share"], ["ask", "off", "on"]),
      ui: choice(data["ui"], ["panel", "none"]),
      workerUrl: absolute(data["worker"]),
      serviceWorkerUrl: absolute(data["sw"]),
    };
  } catch {
    return undefined;
  }
}

/**
 * Where the other parts lie: beside the script, be it at its immutable address or on a page's own server. What came from
 * `/distribute.js` cannot know the address that is made from its own hash, and asks for the latest; the hashes decide.
 */
function partsUrl(src: URL, fromCoordinator: boolean, coordinator: URL): string {
  const here = new URL(".", src);
  const latest = fromCoordinator && !/\/v\/[0-9a-f]{32}\/$/.test(here.pathname);
  return latest ? new URL("/v/latest/", coordinator).href : here.href;
}

/** One of the allowed words; the first is the default. */
function choice<Word extends string>(value: string | undefined, allowed: readonly [Word, ...Word[]]): Word {
  return allowed.find((word) => word === value) ?? allowed[0];
}

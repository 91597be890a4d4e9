/** The events of docs/reference: what a page hears of its downloads. They bubble from the link, out of shadow roots, too. */

import type { TrustedFile } from "../download/trust.ts";
import type { ErrorCode } from "../wire/messages.ts";
import type { Progress, SourceProgress } from "../worker/messages.ts";

export type EventKind = "start" | "progress" | "verified" | "waiting" | "saved" | "error" | "fallback";

/** `event.detail` of every `distribute:` event. What is not known yet is null. */
export interface EventDetail {
  readonly fileId: string | null;
  readonly name: string | null;
  readonly sizeBytes: number | null;
  /** Verified bytes. */
  readonly receivedBytes: number;
  readonly rateBytesPerS: number;
  readonly sources: readonly SourceProgress[];
  /** On `verified`: the whole file's SHA-256, hexadecimal. */
  readonly sha256?: string;
  /** On `verified`: the pinned key that signed it; null when the page pins none. */
  readonly signedBy?: string | null;
  /** On `error` and `fallback`: why, as spec/errors.md lists it. */
  readonly code?: ErrorCode;
  readonly message?: string;
}

/** Before anything has come. */
export const NOTHING: Progress = { receivedBytes: 0, keptBytes: 0, rateBytesPerS: 0, sources: [] };

/** What the detail is made from. */
export interface Announcement extends Pick<EventDetail, "sha256" | "signedBy" | "code" | "message"> {
  readonly file: TrustedFile | undefined;
  readonly progress: Progress;
}

/** A link that events come from, and how it is found again once it is no longer in the page. */
export interface EventLink {
  readonly link: HTMLAnchorElement;
  readonly href: string;
  readonly selector: string;
}

/** Sends an event from a link. */
export function announce(from: EventLink, kind: EventKind, { file, progress, ...rest }: Announcement): void {
  dispatch(inPage(from), kind, {
    fileId: file?.fileId ?? null,
    name: file?.name ?? null,
    sizeBytes: file?.sizeBytes ?? null,
    receivedBytes: progress.receivedBytes,
    rateBytesPerS: progress.rateBytesPerS,
    sources: progress.sources,
    ...rest,
  });
}

/** Says that a link is followed before anything is known of its file. */
export function announceFallback(link: HTMLAnchorElement, code: ErrorCode, message: string): void {
  announce({ link, href: link.href, selector: "a" }, "fallback", { file: undefined, progress: NOTHING, code, message });
}

/** Single-page sites take links out of the page and put equal ones in; without one the document speaks for itself. */
function inPage({ link, href, selector }: EventLink): EventTarget {
  if (link.isConnected) return link;
  const twins = [...document.querySelectorAll<HTMLAnchorElement>(selector)];
  return twins.find((twin) => twin.href === href) ?? document;
}

function dispatch(target: EventTarget, kind: EventKind, detail: EventDetail): void {
  target.dispatchEvent(new CustomEvent(`distribute:${kind}`, { bubbles: true, composed: true, detail }));
}

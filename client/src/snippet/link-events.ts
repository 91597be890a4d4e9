/** The events of docs/reference: what a page hears of its downloads. They bubble from the link, out of shadow roots, too. */

import type { TrustedFile } from "../download/trust.ts";
import type { ErrorCode } from "../wire/messages.ts";
import type { Progress, SourceProgress } from "../worker/messages.ts";

export type EventKind = "start" | "progress" | "verified" | "saved" | "error" | "fallback";

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

/** What the detail is made from. */
export interface Announcement extends Pick<EventDetail, "sha256" | "signedBy" | "code" | "message"> {
  readonly file: TrustedFile | undefined;
  readonly progress: Progress;
}

/** Sends an event from a link. */
export function announce(link: HTMLAnchorElement, kind: EventKind, { file, progress, ...rest }: Announcement): void {
  const detail: EventDetail = {
    fileId: file?.fileId ?? null,
    name: file?.name ?? null,
    sizeBytes: file?.sizeBytes ?? null,
    receivedBytes: progress.receivedBytes,
    rateBytesPerS: progress.rateBytesPerS,
    sources: progress.sources,
    ...rest,
  };
  link.dispatchEvent(new CustomEvent(`distribute:${kind}`, { bubbles: true, composed: true, detail }));
}

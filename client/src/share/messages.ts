/** What a page and its donor worker say to each other when the page shares what it has downloaded. */

import type { Charged, DeviceState, Pause } from "../core/allowance.ts";
import type { Runs } from "../core/runs.ts";

/** What the visitor said about helping others, for all pages of this site (download/stored-choice.ts). */
export const SHARE_KEY = "distribute-io:share";

/** A download whose verified segments lie in the private file system, where the worker finds them by the file's id. */
export interface SharedFile {
  readonly fileId: string;
  readonly sizeBytes: number;
  readonly segmentSizeBytes: number;
  /** 32 bytes for each segment, checked against the manifest. */
  readonly segmentList: Uint8Array<ArrayBuffer>;
}

export interface ShareStart {
  readonly sessionUrl: string;
  /** The page's name, by which it is never introduced to itself. */
  readonly page: string;
  /** What earlier pages were charged with; null: nothing yet. */
  readonly charged: Charged | null;
  /** What was chosen on the donor page of this site, as that wrote it down (donate/remembered.ts); null: nothing. */
  readonly chosen: string | null;
}

/** To the worker; `share` first. */
export type ToSharer =
  /** `rtc` leads to the page's `RtcHost`. */
  | { readonly type: "share"; readonly start: ShareStart; readonly rtc: MessagePort }
  | { readonly type: "share_file"; readonly file: SharedFile }
  /** These segments of a file are right and stored. */
  | { readonly type: "share_stored"; readonly fileId: string; readonly runs: Runs }
  /** A file is not to be shared any more. */
  | { readonly type: "share_drop"; readonly fileId: string }
  /** What `share_charge` said is kept. */
  | { readonly type: "share_charged" }
  | { readonly type: "share_chosen"; readonly chosen: string | null }
  | { readonly type: "share_device"; readonly device: DeviceState }
  | { readonly type: "share_stop" };

/** A moment of sharing. */
export interface ShareStatus {
  /** `offline`: the coordinator is not reached; transfers that run go on. */
  readonly session: "connecting" | "online" | "offline";
  /** Downloaders that are connected now. */
  readonly takers: number;
  readonly rateBytesPerS: number;
  /** Handed to downloaders since sharing began, and to how many of them. */
  readonly givenBytes: number;
  readonly people: number;
  /** Why nothing is given at present; null when something may be. */
  readonly pause: Pause | null;
}

/** From the worker. */
export type FromSharer =
  | { readonly type: "share_status"; readonly status: ShareStatus }
  /** To be kept, for the budgets of all pages of this site; nothing goes out before `share_charged`. */
  | { readonly type: "share_charge"; readonly charged: Charged }
  /** Nothing goes out any more; to be kept. */
  | { readonly type: "share_stopped"; readonly charged: Charged };

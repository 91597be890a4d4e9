/**
 * What a page and its download worker say to each other. One worker serves one download; a second worker from the same
 * code hashes the whole file.
 */

import type { Policy, SourceState } from "../core/scheduler/messages.ts";
import type { ErrorCode, ErrorFamily } from "../wire/messages.ts";
import type { AboutFile } from "../storage/download-store.ts";
import type { Place, StoredFile } from "../storage/stored-file.ts";

/** A mirror as the worker gets it, in the order in which they are to be asked. */
export interface MirrorJob {
  readonly url: string;
  /** Why this page cannot ask it at all; null: it can be tried. */
  readonly problem: ErrorCode | null;
}

/** All that the worker needs of a manifest which the page has verified. */
export interface DownloadJob {
  readonly fileId: string;
  readonly sizeBytes: number;
  readonly segmentSizeBytes: number;
  /** SHA-256 of the segment list, hexadecimal: with the file's id it says what an earlier run's journal must be of. */
  readonly segmentsSha256: string;
  /** The segment list, whose digest was checked: 32 bytes for each segment. */
  readonly segmentList: Uint8Array<ArrayBuffer>;
  readonly about: AboutFile;
  /** Where the bytes go. */
  readonly place: Place;
  readonly mirrors: readonly MirrorJob[];
  /** Which of the mirrors is the link itself; null when the file was asked for by its id, or the link is no mirror's. */
  readonly link: string | null;
  /** When the manifest was signed, in seconds since 1970. */
  readonly publishedAtS: number;
  /** Whether a pinned key signed it. */
  readonly pinned: boolean;
  /** The coordinator's session. */
  readonly sessionUrl: string;
  /** How much to spare the mirrors (spec/scheduler.md, S9). */
  readonly policy: Policy;
  /** A random name of the page, which may share what comes in a session of its own. */
  readonly page: string;
}

/** To the worker. The first message says what the worker is; after `failed` there may be another `download`. */
export type ToWorker =
  | { readonly type: "hash"; readonly port: MessagePort }
  /** A download is about to come that will ask this mirror for its bytes before `endByte` first: ask now. */
  | { readonly type: "head_start"; readonly url: string; readonly endByte: number }
  /** A download with this session is about to come: connect, so that donors are a trip nearer. */
  | { readonly type: "connect"; readonly sessionUrl: string; readonly page: string }
  /** ... of this file: donors may be introduced while its manifest is checked and its store is opened. */
  | { readonly type: "seek"; readonly fileId: string; readonly segments: number }
  | { readonly type: "download"; readonly job: DownloadJob; readonly hasher: MessagePort }
  /** Donors may be asked from now on; the port leads to the page's `RtcHost`. */
  | { readonly type: "allow_peers"; readonly rtc: MessagePort; readonly early: boolean }
  /** Mirrors only from now on: all connections to donors are closed. */
  | { readonly type: "forbid_peers" }
  /** Ask nobody for anything until `resume`; what is stored is kept. */
  | { readonly type: "pause" }
  | { readonly type: "resume" }
  /** The browser saves the file from now on, while the rest comes; the port leads there (storage/stream-sink.ts). */
  | { readonly type: "save_early"; readonly port: MessagePort }
  /** The service worker that streams is not there any more. */
  | { readonly type: "stream_gone" }
  /** End, and forget what was stored. */
  | { readonly type: "cancel" };

/** One source as the page shows it. */
export interface SourceProgress {
  /** A mirror's URL, or `donor 1`, `donor 2` … in order of their coming: a donor's address is nobody's business. */
  readonly id: string;
  readonly kind: "mirror" | "peer";
  /** Verified bytes that came from it. */
  readonly bytes: number;
  readonly rateBytesPerS: number;
  /** `ready` while it is used; `probation`, `excluded`, `banned` (it sent wrong bytes) and `removed` say that it is not. */
  readonly state: SourceState;
  /** Why it is not used at present, a code; null while it is. */
  readonly problem: string | null;
}

/** A moment of a download. */
export interface Progress {
  /** Verified bytes; never goes back. */
  readonly receivedBytes: number;
  /** Of these, bytes that an earlier run had stored; all others came from `sources`. */
  readonly keptBytes: number;
  readonly rateBytesPerS: number;
  readonly sources: readonly SourceProgress[];
}

/**
 * Who sent the segments that were stored since the last message, as `[first, count, sender, first, count, sender, …]`:
 * the sender is an index of `sources`, or -1 for an earlier visit (core/segment-senders.ts).
 */
export type SentRuns = Int32Array<ArrayBuffer>;

/** From the worker. `sent` says of each segment once who sent it; all messages of a download together say it of all. */
export type FromWorker =
  /** A service worker that streams must hear of it again now, lest it be ended. Timers of hidden pages are too slow. */
  | { readonly type: "stream_runs" }
  /** The worker runs; comes before anything is asked of it. */
  | { readonly type: "ready" }
  /** The page's policy refused something of ours: fields of a `SecurityPolicyViolationEvent`. At any time. */
  | {
      readonly type: "blocked";
      readonly effectiveDirective: string;
      readonly blockedURI: string;
      readonly originalPolicy: string;
    }
  /** The store is open, with so many verified bytes of an earlier run. Comes before any progress. */
  | { readonly type: "opened"; readonly progress: Progress; readonly sent: SentRuns }
  /** `behindBytes`: stored beyond the first segment that is missing. */
  | { readonly type: "progress"; readonly progress: Progress; readonly sent: SentRuns; readonly behindBytes: number }
  /** All segments are right and stored, all of them in this run; the digest of the whole file is still to come. */
  | { readonly type: "stored"; readonly stored: StoredFile }
  /** All segments are right and stored, and so is the digest of the whole file; `isSaved`: the browser has it, too. */
  | { readonly type: "done"; readonly progress: Progress; readonly stored: StoredFile; readonly isSaved: boolean }
  | {
      readonly type: "failed";
      readonly family: ErrorFamily;
      readonly code: ErrorCode;
      readonly message: string;
    };

/** To the hasher, on its port. `bytes` come in order of the file; the buffer is sent back. */
export type ToHasher =
  | { readonly type: "update"; readonly buffer: ArrayBuffer; readonly lengthBytes: number }
  | { readonly type: "digest" }
  /** Go on from a saved state, in place of the file's beginning. */
  | { readonly type: "load"; readonly state: Uint8Array<ArrayBuffer> }
  /** Tell the state after all updates so far. */
  | { readonly type: "save" };

/** From the hasher. */
export type FromHasher =
  | { readonly type: "updated"; readonly buffer: ArrayBuffer }
  /** False: this state is of no use here (another version wrote it), and the file's beginning is expected. */
  | { readonly type: "loaded"; readonly usable: boolean }
  | { readonly type: "saved"; readonly state: Uint8Array<ArrayBuffer> }
  /** Lower-case hexadecimal. */
  | { readonly type: "digest"; readonly sha256: string };

/**
 * What goes into the download scheduler and what comes out: its configuration, events, actions and source table.
 *
 * The shapes of spec/scheduler.md, section 2, equal in `src/distribute_io/core/scheduler/messages.py`; as JSON they are
 * the traces in spec/vectors/scheduler.
 *
 * Rules:
 * - Every number is an integer. Time is `nowUs`, microseconds of any monotonic clock. Ranges are half-open, in bytes of
 *   the file (`startByte`, `endByte`) or in segment indices.
 * - Events are past tense: they happened, the scheduler cannot refuse them. Actions are imperative: perform all, in
 *   order.
 * - A `sourceId` is chosen by the driver and never used again in the same download, not even by the same mirror or
 *   peer. A `requestId` is chosen by the scheduler.
 */

export type SourceKind = "mirror" | "peer";
export type Policy = "balanced" | "fast" | "spare-mirrors";
export type SourceState = "ready" | "probation" | "excluded" | "banned" | "removed";
export type FailCode = "all_sources_bad" | "all_sources_failed" | "no_sources" | "no_progress";

/** Half-open range `[start, end)` of segment indices. */
export type SegmentRange = readonly [start: number, end: number];

/** One download's settings. Defaults are those of spec/scheduler.md, section 3, with the reasons. */
export interface SchedulerConfig {
  /** Size of the file, 0 or more. */
  readonly sizeBytes: number;
  /** Size of every segment but the last; a multiple of 64 KiB. */
  readonly segmentSizeBytes: number;
  /** Segments that are still to come: ascending, disjoint ranges of indices; null means all of them. */
  readonly missing?: readonly SegmentRange[] | null;
  /** How much to spare the mirrors (rule S9). Default `balanced`. */
  readonly policy?: Policy;
  /** Memory for bytes that are received and not yet verified, as whole segments; at least one segment. Default 32 MiB. */
  readonly maxInFlightBytes?: number;
  /** Verified segments leave memory in the order of the file, so that memory is a window (rule S17). Default false. */
  readonly inOrder?: boolean;
  /** Open requests at once over all sources, 1 or more. 16. */
  readonly maxOpenRequests?: number;
  /** Open requests at once over all sources of one host, 1 or more: browsers open six, and the page needs some. 4. */
  readonly maxHostRequests?: number;
  /** Length of the request to a source of unknown rate; rounded up to whole segments. 1 MiB. */
  readonly firstRequestBytes?: number;
  /** A request without a byte for this long is stalled. 2 s. */
  readonly stallUs?: number;
  /** Without any new byte for this long the download fails. 60 s. */
  readonly giveUpUs?: number;
  /** Without any usable source for this long the download fails. 5 s. */
  readonly noSourceGraceUs?: number;
}

/** A source can be asked from now on: a mirror whose address is known, a peer whose channel is open. */
export interface SourceAdded {
  readonly type: "SourceAdded";
  readonly sourceId: string;
  readonly kind: SourceKind;
  /** What it holds: ascending, disjoint ranges of segment indices; null means all (default). */
  readonly holdings?: readonly SegmentRange[] | null;
  /** Requests that may be open to it at once, 1 or more; the last of several is only used to overlap (S6). 2. */
  readonly slots?: number;
  /** Whose connections it shares with others of the same `host` (S6); null: with nobody (default). */
  readonly host?: string | null;
}

/** A source said what it holds now. */
export interface HoldingsChanged {
  readonly type: "HoldingsChanged";
  readonly sourceId: string;
  readonly holdings: readonly SegmentRange[] | null;
}

/** A source is gone for good (its channel closed). Its open requests are over without further events. */
export interface SourceRemoved {
  readonly type: "SourceRemoved";
  readonly sourceId: string;
  /** A code of spec/errors.md: why. `peer_closed` by default. */
  readonly reason?: string;
}

/** A request delivered more bytes, and the driver put those that it had not yet into their segments. */
export interface BytesReceived {
  readonly type: "BytesReceived";
  readonly requestId: number;
  /** All bytes of this request so far, counted from its `startByte`: they come in order. */
  readonly receivedBytes: number;
}

/** A request delivered everything up to its present end (after the last `ShortenRequest`). */
export interface RequestFinished {
  readonly type: "RequestFinished";
  readonly requestId: number;
}

/** A request ended before its end. */
export interface RequestFailed {
  readonly type: "RequestFailed";
  readonly requestId: number;
  /** A code of spec/errors.md, family `source`: what the source table says. */
  readonly reason: string;
  /** True: this source will never work for this file (no Range, no CORS, 404, changed, protocol broken). */
  readonly permanent?: boolean;
  /** The source's own word when it may be asked again, counted from now. */
  readonly retryAfterUs?: number | null;
}

/** All bytes of a segment are there, its SHA-256 matches, and its memory is free again (it is written). */
export interface SegmentVerified {
  readonly type: "SegmentVerified";
  readonly segmentIndex: number;
}

/**
 * All bytes of a segment are there and its SHA-256 does not match.
 * The driver drops them all when it has performed the actions of this event (`DigestParts` still reads them).
 */
export interface SegmentRejected {
  readonly type: "SegmentRejected";
  readonly segmentIndex: number;
}

/** After the `SegmentVerified` of a segment for which `DigestParts` was performed: who had sent wrong bytes. */
export interface PartsCompared {
  readonly type: "PartsCompared";
  readonly segmentIndex: number;
  readonly wrongSourceIds: readonly string[];
}

/** The user pauses. Whatever is open is cancelled, no clock runs. */
export interface Paused {
  readonly type: "Paused";
}

/** The user goes on. */
export interface Resumed {
  readonly type: "Resumed";
}

/** The time of `nextDeadlineUs` has come. */
export interface DeadlineReached {
  readonly type: "DeadlineReached";
}

export type SchedulerEvent =
  | SourceAdded
  | HoldingsChanged
  | SourceRemoved
  | BytesReceived
  | RequestFinished
  | RequestFailed
  | SegmentVerified
  | SegmentRejected
  | PartsCompared
  | Paused
  | Resumed
  | DeadlineReached;

/** Ask the source for `[startByte, endByte)` and stream what comes into the segments' memory. */
export interface StartRequest {
  readonly type: "StartRequest";
  readonly requestId: number;
  readonly sourceId: string;
  readonly startByte: number;
  readonly endByte: number;
}

/**
 * Stop this request at `endByte`: what is behind goes to somebody else. It finishes there as usual.
 * If more than that has come already, drop the surplus and report `RequestFinished` at once.
 */
export interface ShortenRequest {
  readonly type: "ShortenRequest";
  readonly requestId: number;
  readonly endByte: number;
}

/** End this request now. What it delivered stays, unless a `DiscardBytes` follows. Events of it are ignored. */
export interface CancelRequest {
  readonly type: "CancelRequest";
  readonly requestId: number;
}

/** Forget these bytes, which lie in one unverified segment: they count as not received and will come again. */
export interface DiscardBytes {
  readonly type: "DiscardBytes";
  readonly startByte: number;
  readonly endByte: number;
}

/** Who sent `[startByte, endByte)`. */
export interface Part {
  readonly sourceId: string;
  readonly startByte: number;
  readonly endByte: number;
}

/**
 * A rejected segment came from several sources: keep the SHA-256 of each part of the rejected bytes.
 * When the segment is verified later, hash the same parts of the right bytes and report `PartsCompared`.
 */
export interface DigestParts {
  readonly type: "DigestParts";
  readonly segmentIndex: number;
  readonly parts: readonly Part[];
}

/** This source sent wrong bytes: close it, name it. It is never asked again. */
export interface BanSource {
  readonly type: "BanSource";
  readonly sourceId: string;
  readonly reason: "segment_mismatch";
}

/** This source cannot deliver this file: it is not asked again in this download. No accusation. */
export interface ExcludeSource {
  readonly type: "ExcludeSource";
  readonly sourceId: string;
  readonly reason: string;
}

/** This source gets no work until `untilUs` (for the display; nothing to do). */
export interface ProbateSource {
  readonly type: "ProbateSource";
  readonly sourceId: string;
  readonly reason: string;
  readonly untilUs: number;
}

/** Every segment is verified. The last action. */
export interface Complete {
  readonly type: "Complete";
}

/** The download cannot go on. The last action. */
export interface Fail {
  readonly type: "Fail";
  /** `integrity`: sources sent wrong bytes; never follow the plain link by yourself. */
  readonly reason: "integrity" | "availability";
  readonly code: FailCode;
}

export type Action =
  | StartRequest
  | ShortenRequest
  | CancelRequest
  | DiscardBytes
  | DigestParts
  | BanSource
  | ExcludeSource
  | ProbateSource
  | Complete
  | Fail;

/** One row of the source table. */
export interface SourceStatus {
  readonly sourceId: string;
  readonly kind: SourceKind;
  readonly state: SourceState;
  /** Why it is not `ready`, or what went wrong last; null if nothing did. */
  readonly reason: string | null;
  /** Measured rate; null if it is not known. */
  readonly rateBytesPerS: number | null;
  /** Bytes that were new when they came. */
  readonly receivedBytes: number;
  /** Bytes of verified segments. */
  readonly verifiedBytes: number;
  /** Bytes that somebody else had delivered first. */
  readonly duplicateBytes: number;
  /** Bytes of rejected segments, and bytes discarded. */
  readonly rejectedBytes: number;
  readonly openRequests: number;
  /** Failures in a row. */
  readonly failures: number;
  /** It had a part in a rejected segment and has not cleared itself (S13). */
  readonly suspected: boolean;
  readonly probationUntilUs: number | null;
}

/** What the rest of the program codes against; `Scheduler` in scheduler.ts is it. */
export interface DownloadScheduler {
  /**
   * Takes one event and decides.
   *
   * The caller's duties, in order: perform every action; then ask for {@link DownloadScheduler.nextDeadlineUs} and
   * hand in `DeadlineReached` at that time, unless another event comes first. Time never goes back.
   */
  handle(event: SchedulerEvent, nowUs: number): readonly Action[];
  /** When `DeadlineReached` is due; null: never. */
  nextDeadlineUs(): number | null;
  /** The source table, in the order of `SourceAdded`. */
  sources(): readonly SourceStatus[];
}

/**
 * Where a file's bytes go: the rungs of the ladder, and which one is next (docs/saving.md has the same as a table).
 *
 * 1. A place that the visitor or the caller chose is the only one.
 * 2. The private file system: any order, durable, goes on after a crash. Where the browser's estimate says that the file
 *    does not fit, the visitor is asked for more room first; the estimate alone never rules it out, since Chromium's says
 *    nothing about the disk.
 * 3. Memory, for a file that is no larger than the window which all but the private file system need anyway.
 * 4. A file that the visitor picks, if a dialog may be opened right now: shortly after a click.
 * 5. A service worker's download, where the site has installed ours.
 * 6. Memory, for what is larger and still small.
 * 7. Nothing that needs no click: the visitor is asked, or the plain link is followed.
 *
 * Where rungs 2 and 5 are both there, a file of rung 2 may leave for the download folder while it comes ({@link leavesEarly}).
 */

/** One place; `persist` asks for more room and then tries the private file system again. */
export type Rung = "opfs" | "persist" | "file" | "stream" | "memory";

/** Bytes that wait for their turn where a file leaves in order (spec/scheduler.md, S17). Phones get half. */
export const WINDOW_BYTES = 64 * 1024 * 1024;

/** Largest file that is kept in memory. Phones fail not far above their half. */
export const MEMORY_BYTES_MAX = 256 * 1024 * 1024;

/** What is known before a rung is chosen. */
export interface SavingConditions {
  readonly sizeBytes: number;
  /** `estimate()`'s quota less its usage; null when the browser does not tell. */
  readonly roomBytes: number | null;
  /** Can more room be asked for: not granted yet, and not asked before? */
  readonly canPersist: boolean;
  /** Was a place chosen? */
  readonly chosen: boolean;
  /** May a file dialog be opened now: the browser has one, and a click was just made. */
  readonly canPick: boolean;
  readonly hasStream: boolean;
  readonly smallMemory: boolean;
  /** Rungs that were tried in vain. */
  readonly refused: ReadonlySet<Rung>;
}

/** The next rung to try; undefined when none is left. */
export function nextRung(conditions: SavingConditions): Rung | undefined {
  const { sizeBytes, roomBytes, refused } = conditions;
  const share = conditions.smallMemory ? 2 : 1;
  if (conditions.chosen) return refused.has("file") ? undefined : "file";
  const seemsFull = refused.has("opfs") || (roomBytes !== null && roomBytes < sizeBytes);
  const rungs: readonly (readonly [Rung, boolean])[] = [
    ["persist", seemsFull && conditions.canPersist],
    ["opfs", true],
    ["memory", sizeBytes <= WINDOW_BYTES / share],
    ["file", conditions.canPick],
    ["stream", conditions.hasStream],
    ["memory", sizeBytes <= MEMORY_BYTES_MAX / share],
  ];
  return rungs.find(([rung, usable]) => usable && !refused.has(rung))?.[0];
}

/** A smaller one is copied from the private file system to the download folder in 70 ms or less (ADR 0047). */
export const EARLY_BYTES_MIN = 32 * 1024 * 1024;

/** Above this it may be the machine that is the limit: a stream beside the download would hold that up. */
export const EARLY_RATE_MAX_BYTES_PER_S = 64 * 1024 * 1024;

/** A rate is worth something after this long ... */
export const EARLY_AFTER_MS = 500;
/** ... and a stream is when so much is left to come: it takes some 100 ms to begin. */
export const EARLY_LEFT_MS_MIN = 1_000;

/**
 * What a source failed to bring is often fetched last, and nothing beyond it can leave until then: all that waits is
 * copied faster than it is streamed (some 150 MiB/s). A few segments wait in any download.
 */
export const EARLY_BEHIND_BYTES_MAX = 8 * 1024 * 1024;

/** What is known of a file that is on its way into the private file system. */
export interface EarlyConditions {
  readonly sizeBytes: number;
  /** Verified so far, by earlier visits, too. */
  readonly receivedBytes: number;
  /** Of these, beyond the first segment that is missing. */
  readonly behindBytes: number;
  readonly rateBytesPerS: number;
  /** Since the first of its bytes could come. */
  readonly elapsedMs: number;
}

/** Whether to have the browser save a file from now on, while the rest comes, and not only when it is complete. */
export function leavesEarly(conditions: EarlyConditions): boolean {
  const { sizeBytes, receivedBytes, behindBytes, rateBytesPerS, elapsedMs } = conditions;
  return (
    sizeBytes >= EARLY_BYTES_MIN &&
    elapsedMs >= EARLY_AFTER_MS &&
    behindBytes <= EARLY_BEHIND_BYTES_MAX &&
    rateBytesPerS > 0 &&
    rateBytesPerS <= EARLY_RATE_MAX_BYTES_PER_S &&
    (sizeBytes - receivedBytes) * 1_000 >= rateBytesPerS * EARLY_LEFT_MS_MIN
  );
}

/** What is known when a finished file is to be handed to the browser's downloads. */
export interface HandoverConditions {
  /** Does this browser refuse a page a second download that no click or key came before (Chromium)? */
  readonly asksBeforeSecond: boolean;
  /** Downloads that this page began since the last click or key. */
  readonly sinceGesture: number;
}

/** Whether to hand over now, or to ask for a click: an attempt that is refused blocks all later ones of the page. */
export function mayHandOver({ asksBeforeSecond, sinceGesture }: HandoverConditions): boolean {
  return !asksBeforeSecond || sinceGesture === 0;
}

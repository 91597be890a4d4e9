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

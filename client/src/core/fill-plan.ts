/**
 * What a donor fetches next and what it removes for that: decides, does nothing.
 *
 * Rules:
 * - The target is the coordinator's assignment, in its order (most valuable first).
 * - What is held and in the target stays. What is held and not in it stays as well, until its room is needed.
 * - Adjacent missing segments of one file are fetched in one request, up to {@link RUN_BYTES}.
 * - Never more is planned than the limit has room for.
 */

import { MANIFEST_LIMITS } from "./manifest-limits.ts";
import { indicesOf, type Runs } from "./runs.ts";

/** One file of an assignment. */
export interface AssignedFile {
  readonly fileId: string;
  readonly runs: Runs;
}

export interface Held {
  readonly fileId: string;
  readonly index: number;
  readonly sizeBytes: number;
}

export interface FillPlan {
  /** To be removed before anything is fetched. */
  readonly drop: readonly Held[];
  /** Half-open run of segments of one file to fetch next; undefined when there is nothing to do. */
  readonly fetch: { readonly fileId: string; readonly start: number; readonly end: number } | undefined;
}

/** Longest request to a mirror, in bytes: few long requests, none that runs for minutes. */
export const RUN_BYTES = 8 * 1024 * 1024;

/** Where each assigned segment stands, by `fileId/index`. */
export function targetOrder(target: readonly AssignedFile[]): ReadonlyMap<string, number> {
  const order = new Map<string, number>();
  for (const { fileId, runs } of target)
    for (const index of indicesOf(runs)) order.set(`${fileId}/${index}`, order.size);
  return order;
}

/** What is held, most valuable first: in the order of the target, then what is not in it. */
export function keepFirst<Record extends { readonly fileId: string; readonly index: number }>(
  target: readonly AssignedFile[],
): (records: readonly Record[]) => readonly Record[] {
  const order = targetOrder(target);
  const rank = (record: Record) => order.get(`${record.fileId}/${record.index}`) ?? order.size;
  return (records) => [...records].sort((left, right) => rank(left) - rank(right));
}

/**
 * @param sizeOf size of a segment; undefined while the file is unknown (its entry comes first then).
 * @param skip files that cannot be had at present.
 * @param roomBytes what can be added without removing anything.
 * @param overheadBytes what each segment costs beside its bytes.
 */
export function planFill(state: {
  readonly target: readonly AssignedFile[];
  readonly held: readonly Held[];
  readonly roomBytes: number;
  readonly overheadBytes: number;
  readonly sizeOf: (fileId: string, index: number) => number | undefined;
  readonly skip: (fileId: string) => boolean;
}): FillPlan {
  const { overheadBytes } = state;
  const order = targetOrder(state.target);
  const have = new Set(state.held.map(({ fileId, index }) => `${fileId}/${index}`));
  const spare = state.held.filter(({ fileId, index }) => !order.has(`${fileId}/${index}`));
  let first: { fileId: string; start: number } | undefined;
  let end = 0;
  let runBytes = 0;
  let neededBytes = 0;
  const reach = state.roomBytes + spare.reduce((sum, { sizeBytes }) => sum + sizeBytes + overheadBytes, 0);
  find: for (const { fileId, runs } of state.target) {
    if (state.skip(fileId)) continue;
    for (const index of indicesOf(runs)) {
      const wanted = !have.has(`${fileId}/${index}`);
      if (first !== undefined && (!wanted || index !== end)) break find;
      if (!wanted) continue;
      const sizeBytes = state.sizeOf(fileId, index) ?? 0;
      if (neededBytes + sizeBytes + overheadBytes > reach || runBytes + sizeBytes > RUN_BYTES) {
        if (first !== undefined) break find;
        continue; // a smaller one, a file's last, may fit
      }
      first ??= { fileId, start: index };
      end = index + 1;
      runBytes += sizeBytes;
      neededBytes += sizeBytes + overheadBytes;
      if (state.sizeOf(fileId, index) === undefined) break find; // the entry first, then the plan again
    }
    if (first !== undefined) break;
  }
  if (first === undefined) return { drop: [], fetch: undefined };
  const drop: Held[] = [];
  let roomBytes = state.roomBytes;
  for (const victim of spare) {
    if (roomBytes >= neededBytes) break;
    drop.push(victim);
    roomBytes += victim.sizeBytes + overheadBytes;
  }
  return { drop, fetch: { ...first, end } };
}

/** Runs of the wire as half-open ranges; what no file can have is cut off, since nothing beyond it can be relied on. */
export function assignedRuns(flat: readonly number[]): Runs {
  const runs: [number, number][] = [];
  let endBefore = -1;
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const start = flat[at] ?? 0;
    const count = flat[at + 1] ?? 0;
    if (count < 1 || start <= endBefore || start + count > MANIFEST_LIMITS.SEGMENTS_MAX) break;
    endBefore = start + count;
    runs.push([start, endBefore]);
  }
  return runs;
}

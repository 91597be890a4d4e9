/**
 * Sets of segment indices as sorted half-open ranges, and their form on the wire: `[start, count, start, count, …]`,
 * ascending, counts above 0, runs neither overlapping nor adjacent (spec/session.md).
 */

import { RemoteProtocolError } from "../wire/errors.ts";
import { FILES_PER_MESSAGE_MAX, RUNS_MAX, type FileRuns } from "../wire/messages.ts";

/** Ascending, neither overlapping nor adjacent, none empty. */
export type Runs = readonly (readonly [start: number, end: number])[];

/**
 * Parses the wire's form.
 *
 * @param segments how many segments the file has.
 * @throws RemoteProtocolError `message_malformed` when the list breaks the rule or reaches beyond the file.
 */
export function runsFromWire(flat: readonly number[], segments: number): Runs {
  const runs: [number, number][] = [];
  let endBefore = -1;
  for (let at = 0; at < flat.length; at += 2) {
    const start = flat[at] ?? 0;
    const count = flat[at + 1] ?? 0;
    if (count < 1 || start <= endBefore || start + count > segments) {
      throw new RemoteProtocolError("message_malformed");
    }
    endBefore = start + count;
    runs.push([start, endBefore]);
  }
  return runs;
}

/** The wire's form, cut to what a message may carry: who states more tells the first runs. */
export function runsToWire(runs: Runs): number[] {
  return runs.slice(0, RUNS_MAX).flatMap(([start, end]) => [start, end - start]);
}

/**
 * Files with their runs in messages that are not too large (spec/session.md), in their order.
 *
 * @returns one part at least: that nothing is held is said, too.
 */
export function inParts(files: readonly FileRuns[]): FileRuns[][] {
  const parts: FileRuns[][] = [];
  let part: FileRuns[] = [];
  let runs = 0;
  for (const file of files) {
    const count = file.runs.length / 2;
    if (part.length > 0 && (part.length >= FILES_PER_MESSAGE_MAX || runs + count > RUNS_MAX)) {
      parts.push(part);
      part = [];
      runs = 0;
    }
    part.push(file);
    runs += count;
  }
  return [...parts, part];
}

/** Some indices, in any order, as runs. */
export function runsOf(indices: Iterable<number>): Runs {
  const runs: [number, number][] = [];
  for (const index of [...indices].sort((left, right) => left - right)) {
    const last = runs.at(-1);
    if (last !== undefined && index <= last[1]) last[1] = Math.max(last[1], index + 1);
    else runs.push([index, index + 1]);
  }
  return runs;
}

/** The indices of some runs, ascending. */
export function* indicesOf(runs: Runs): Generator<number> {
  for (const [start, end] of runs) for (let index = start; index < end; index += 1) yield index;
}

/** Whether two sets have a segment in common. */
export function overlap(left: Runs, right: Runs): boolean {
  let at = 0;
  for (const [start, end] of left) {
    for (let other = right[at]; other !== undefined && other[1] <= start; other = right[at]) at += 1;
    const other = right[at];
    if (other !== undefined && other[0] < end) return true;
  }
  return false;
}

/** What `left` has and `right` has not. */
export function difference(left: Runs, right: Runs): Runs {
  const rest: [number, number][] = [];
  let next = 0;
  for (const [start, end] of left) {
    let at = start;
    while ((right[next]?.[1] ?? Infinity) <= at) next += 1;
    for (let other = next; at < end; other += 1) {
      const [from, to] = right[other] ?? [end, end];
      if (from > at) rest.push([at, Math.min(from, end)]);
      at = Math.max(at, from < end ? to : end);
    }
  }
  return rest;
}

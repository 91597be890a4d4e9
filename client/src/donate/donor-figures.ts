/** What a donor has given and holds, as its page shows it: exact figures, of this browser. */

import type { Charged, LocalTime } from "../core/allowance.ts";
import type { AssignedFile } from "../core/fill-plan.ts";
import { RateMeter } from "../core/rate-meter.ts";
import { runsOf } from "../core/runs.ts";
import type { SegmentRecord, Totals } from "../core/store-record.ts";
import type { FileFacts } from "./catalogue.ts";
import type { DonorStatus, HeldFile } from "./messages.ts";

type GivenShown = Pick<DonorStatus, "rateBytesPerS" | "servedBytes" | "servedTodayBytes" | "people" | "peopleToday">;

/** Bytes given: now, today, ever. */
export class GivenFigures {
  readonly #localTime: () => LocalTime;
  readonly #rate: RateMeter;
  #totals: Totals;

  /**
   * @param totals as kept by the store.
   */
  constructor(totals: Totals, localTime: () => LocalTime, nowUs: number) {
    this.#totals = totals;
    this.#localTime = localTime;
    this.#rate = new RateMeter(nowUs);
  }

  /** To be kept by the store. @param charged what the budgets were charged with. */
  totals(charged: Charged): Totals {
    return { ...this.#totals, charged };
  }

  /** Bytes of payload were handed to a downloader; `first` of its introduction. */
  served(sizeBytes: number, first: boolean, nowUs: number): void {
    this.#rate.add(sizeBytes, nowUs);
    const today = this.#today();
    const more = first ? 1 : 0;
    this.#totals = {
      ...this.#totals,
      servedBytes: this.#totals.servedBytes + sizeBytes,
      servedTodayBytes: today.servedTodayBytes + sizeBytes,
      day: this.#localTime().day,
      people: this.#totals.people + more,
      peopleToday: today.peopleToday + more,
    };
  }

  show(nowUs: number): GivenShown {
    const { servedBytes, people } = this.#totals;
    return { rateBytesPerS: this.#rate.rateBytesPerS(nowUs), servedBytes, people, ...this.#today() };
  }

  #today(): { servedTodayBytes: number; peopleToday: number } {
    const { day, servedTodayBytes, peopleToday } = this.#totals;
    return day === this.#localTime().day ? { servedTodayBytes, peopleToday } : { servedTodayBytes: 0, peopleToday: 0 };
  }
}

/** How many segments an assignment has, and how many of them are there. */
export function assignedFigures(
  target: readonly AssignedFile[],
  has: (fileId: string, index: number) => boolean,
): { assignedSegments: number; assignedHeld: number } {
  let assignedSegments = 0;
  let assignedHeld = 0;
  for (const { fileId, runs } of target) {
    for (const [start, end] of runs) {
      assignedSegments += end - start;
      for (let index = start; index < end; index += 1) if (has(fileId, index)) assignedHeld += 1;
    }
  }
  return { assignedSegments, assignedHeld };
}

/** What is held, by file. `about`: undefined while a file is not known. */
export function heldFiles(
  records: readonly SegmentRecord[],
  target: readonly AssignedFile[],
  about: (fileId: string) => FileFacts | undefined,
): HeldFile[] {
  const held = new Map<string, { bytes: number; readonly indices: number[] }>();
  for (const { fileId, index, sizeBytes } of records) {
    let file = held.get(fileId);
    if (file === undefined) held.set(fileId, (file = { bytes: 0, indices: [] }));
    file.bytes += sizeBytes;
    file.indices.push(index);
  }
  const assigned = new Map(target.map(({ fileId, runs }) => [fileId, runs]));
  return [...held].map(([fileId, { bytes, indices }]) => ({
    fileId,
    name: about(fileId)?.name ?? "",
    segments: indices.length,
    count: about(fileId)?.segments ?? 0,
    bytes,
    runs: runsOf(indices),
    assigned: assigned.get(fileId) ?? [],
  }));
}

/** What a donor has given and holds, as its page shows it: exact figures, of this browser. */

import type { Charged, LocalTime } from "../core/allowance.ts";
import type { AssignedFile } from "../core/fill-plan.ts";
import { RateMeter } from "../core/rate-meter.ts";
import type { SegmentRecord, Totals } from "../core/store-record.ts";
import type { HeldFile } from "./messages.ts";

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
    this.#totals = {
      ...this.#totals,
      servedBytes: this.#totals.servedBytes + sizeBytes,
      servedTodayBytes: this.#servedTodayBytes() + sizeBytes,
      day: this.#localTime().day,
      people: this.#totals.people + (first ? 1 : 0),
    };
  }

  show(nowUs: number): { rateBytesPerS: number; servedBytes: number; servedTodayBytes: number; people: number } {
    return {
      rateBytesPerS: this.#rate.rateBytesPerS(nowUs),
      servedBytes: this.#totals.servedBytes,
      servedTodayBytes: this.#servedTodayBytes(),
      people: this.#totals.people,
    };
  }

  #servedTodayBytes(): number {
    return this.#totals.day === this.#localTime().day ? this.#totals.servedTodayBytes : 0;
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

/** What is held, by file. `nameOf`: undefined while a name is not known. */
export function heldFiles(
  records: readonly SegmentRecord[],
  nameOf: (fileId: string) => string | undefined,
): HeldFile[] {
  const files = new Map<string, { fileId: string; name: string; segments: number; bytes: number }>();
  for (const { fileId, sizeBytes } of records) {
    let file = files.get(fileId);
    if (file === undefined) files.set(fileId, (file = { fileId, name: nameOf(fileId) ?? "", segments: 0, bytes: 0 }));
    file.segments += 1;
    file.bytes += sizeBytes;
  }
  return [...files.values()];
}

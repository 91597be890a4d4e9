/**
 * The index file of a donor's store: which segments stand in which data files, and what was given (core/store-record.ts has
 * the layout).
 *
 * Rules:
 * - Records lie without a gap: a removed one's place is taken by the last, so the file is never larger than it must be.
 * - Every change is on disk when its method returns. A crash in the middle leaves records that are whole, at worst one of
 *   them twice or one too many; loading puts that in order.
 * - The file is held by an exclusive handle as long as the index is open: one store at a time.
 */

import {
  decodeRecord,
  encodeSegmentRecord,
  encodeTotals,
  RECORD_BYTES,
  type SegmentRecord,
  type Totals,
} from "../core/store-record.ts";
import { StoreError } from "../wire/errors.ts";

/** The parts of a `FileSystemSyncAccessHandle` that are used here. */
export interface StoreHandle {
  read(target: Uint8Array<ArrayBuffer>, options: { at: number }): number;
  write(source: Uint8Array<ArrayBuffer>, options: { at: number }): number;
  truncate(sizeBytes: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

/** Names a segment's place in the catalogue. */
export interface Place {
  readonly fileId: string;
  readonly index: number;
}

const TOTALS_SLOTS = 2;

/** Size of an index without segments. */
export const EMPTY_INDEX_BYTES = TOTALS_SLOTS * RECORD_BYTES;

const NO_TOTALS: Totals = {
  servedBytes: 0,
  servedTodayBytes: 0,
  day: 0,
  people: 0,
  peopleToday: 0,
  charged: { day: 0, dayBytes: 0, month: 0, monthBytes: 0 },
};

export class StoreIndex {
  readonly #handle: StoreHandle;
  readonly #records: SegmentRecord[] = [];
  readonly #rowOf = new Map<string, number>();
  #totals = NO_TOTALS;
  #generation = 0;

  /**
   * Reads the index. Takes ownership of the handle.
   *
   * @throws StoreError `store_version`, `store_unreadable`.
   */
  constructor(handle: StoreHandle) {
    this.#handle = handle;
    if (this.#load()) return;
    this.#records.forEach((record, row) => {
      this.#writeRow(row, record);
    });
    this.#cut();
  }

  /** Everything that is held, in no order. */
  get records(): readonly SegmentRecord[] {
    return this.#records;
  }

  get totals(): Totals {
    return this.#totals;
  }

  /** What the index takes on disk. */
  get sizeBytes(): number {
    return EMPTY_INDEX_BYTES + this.#records.length * RECORD_BYTES;
  }

  has(place: Place): boolean {
    return this.#rowOf.has(keyOf(place));
  }

  /**
   * Adds a record, which must not be there yet.
   *
   * @throws StoreError `quota_exceeded`; then nothing was added.
   */
  add(record: SegmentRecord): void {
    try {
      this.#writeRow(this.#records.length, record);
      this.#handle.flush();
    } catch (error) {
      this.#handle.truncate(this.sizeBytes);
      throw error;
    }
    this.#remember(record);
  }

  /** Removes what is there of these. @returns what was removed. */
  remove(places: readonly Place[]): SegmentRecord[] {
    const removed: SegmentRecord[] = [];
    const changed = new Set<number>();
    for (const place of places) {
      const key = keyOf(place);
      const row = this.#rowOf.get(key);
      const last = row === undefined ? undefined : this.#records.pop();
      if (row === undefined || last === undefined) continue;
      this.#rowOf.delete(key);
      if (row === this.#records.length) {
        removed.push(last);
        continue;
      }
      const record = this.#records[row];
      if (record !== undefined) removed.push(record);
      this.#records[row] = last;
      this.#rowOf.set(keyOf(last), row);
      changed.add(row);
    }
    if (removed.length === 0) return removed;
    for (const row of changed) {
      const record = this.#records[row];
      if (record !== undefined) this.#writeRow(row, record);
    }
    this.#cut();
    return removed;
  }

  saveTotals(totals: Totals): void {
    this.#generation += 1;
    this.#totals = totals;
    const slot = this.#generation % TOTALS_SLOTS;
    writeWhole(this.#handle, encodeTotals(totals, this.#generation), slot * RECORD_BYTES);
    this.#handle.flush();
  }

  close(): void {
    this.#handle.close();
  }

  /** Reads all records. @returns whether they lie as they should. */
  #load(): boolean {
    const slots = Math.floor(this.#handle.getSize() / RECORD_BYTES);
    const bytes = new Uint8Array(slots * RECORD_BYTES);
    if (this.#handle.read(bytes, { at: 0 }) !== bytes.length) {
      throw new StoreError("store_unreadable", "The index of the store cannot be read.");
    }
    let inPlace = true;
    for (let slot = 0; slot < slots; slot += 1) {
      const record = decodeRecord(bytes.subarray(slot * RECORD_BYTES, (slot + 1) * RECORD_BYTES));
      if (record.kind === "newer") {
        throw new StoreError("store_version", "What this browser holds was written by a newer version of this page.");
      }
      if (record.kind === "totals" && record.generation > this.#generation) {
        this.#generation = record.generation;
        this.#totals = record.totals;
      } else if (record.kind === "segment" && !this.has(record.segment)) {
        inPlace &&= slot === TOTALS_SLOTS + this.#records.length;
        this.#remember(record.segment);
      } else inPlace &&= slot < TOTALS_SLOTS; // torn, free, or standing twice since it was being moved
    }
    return inPlace;
  }

  #remember(record: SegmentRecord): void {
    this.#rowOf.set(keyOf(record), this.#records.length);
    this.#records.push(record);
  }

  #writeRow(row: number, record: SegmentRecord): void {
    writeWhole(this.#handle, encodeSegmentRecord(record), (TOTALS_SLOTS + row) * RECORD_BYTES);
  }

  /** Cuts the file to its records; on disk before and after, so that a crash finds either state whole. */
  #cut(): void {
    this.#handle.flush();
    this.#handle.truncate(this.sizeBytes);
    this.#handle.flush();
  }
}

/** @throws StoreError `quota_exceeded`: Firefox says so by a short write. */
export function writeWhole(handle: StoreHandle, bytes: Uint8Array<ArrayBuffer>, at: number): void {
  if (handle.write(bytes, { at }) !== bytes.length) {
    throw new StoreError("quota_exceeded", "The browser gives this site no more room.");
  }
}

/** A place as one text. */
export function keyOf(place: Place): string {
  return `${place.fileId}/${place.index}`;
}

/**
 * What a donor holds, in the origin private file system (OPFS): one file per segment, named by its digest, and one index.
 *
 * Invariants:
 * - The bytes of all files in the folder, index and half-written ones included, never exceed the limit: room is checked
 *   before anything is written, and a smaller limit frees at once.
 * - Data first, then the index: a record stands only for a segment that is whole and flushed. Whatever the index does not
 *   name is removed at start. Deletion is the other way round.
 * - Only a `VerifiedSegment` is written, and every segment is hashed again before the first byte of it is served after a
 *   start: disks and browsers lose bytes, too.
 * - What the browser takes away is noticed at the next read: it is no longer held, and said to be.
 * - Reads are just in time; at most {@link HANDLES_MAX} files are open and one segment is in memory.
 * - One store at a time: the index is held by an exclusive handle.
 *
 * Two places of the catalogue with equal bytes (an empty disk image, two releases) share one data file.
 *
 * Firefox answers a write beyond the quota with 0 bytes, others throw `QuotaExceededError`: both become `quota_exceeded`.
 */

import { toHex } from "../core/hex.ts";
import { runsOf, type Runs } from "../core/runs.ts";
import { RECORD_BYTES, type SegmentRecord, type Totals } from "../core/store-record.ts";
import type { Sha256, VerifiedSegment } from "../core/verified.ts";
import { DistributeError, IntegrityError, StoreError } from "../wire/errors.ts";
import { EMPTY_INDEX_BYTES, keyOf, StoreIndex, writeWhole, type Place, type StoreHandle } from "./store-index.ts";

/** The parts of a `FileSystemDirectoryHandle` that are used here. */
export interface StoreFolder {
  getFileHandle(
    name: string,
    options: { create: boolean },
  ): Promise<{ createSyncAccessHandle(): Promise<StoreHandle> }>;
  getDirectoryHandle(name: string, options: { create: boolean }): Promise<StoreFolder>;
  removeEntry(name: string, options?: { recursive?: boolean }): Promise<void>;
  keys(): AsyncIterable<string>;
}

/** Name of the store's folder in the origin private file system. */
export const STORE_FOLDER = "distribute-io-donor";
const INDEX_NAME = "index";

/** Open data files: several times the takers of a donor, who mostly read one segment each. */
const HANDLES_MAX = 32;

/** The smallest limit: the index of an empty store. */
export const STORE_BYTES_MIN = EMPTY_INDEX_BYTES;

interface Data {
  readonly sizeBytes: number;
  /** The places of the catalogue that have these bytes. */
  readonly places: Set<string>;
  /** Found right since this store was opened. */
  checked: Promise<void> | undefined;
}

export class SegmentStore {
  readonly #root: StoreFolder;
  readonly #folder: StoreFolder;
  readonly #index: StoreIndex;
  readonly #sha256: Sha256;
  readonly #data = new Map<string, Data>();
  /** In the order of their last use. */
  readonly #handles = new Map<string, Promise<StoreHandle>>();
  #dataBytes = 0;
  #limitBytes: number;
  #open = true;
  /** Changes are made one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Opens the store, or makes it.
   *
   * @param root the origin's root folder (`navigator.storage.getDirectory()`).
   * @param limitBytes what all files together may have; what is above is removed, last of the index first.
   * @throws StoreError `store_in_use` (another tab), `store_version`, `quota_exceeded`, `store_unreadable`.
   */
  static async open(root: StoreFolder, limitBytes: number, sha256: Sha256): Promise<SegmentStore> {
    return guarded(async () => {
      const folder = await root.getDirectoryHandle(STORE_FOLDER, { create: true });
      const file = await folder.getFileHandle(INDEX_NAME, { create: true });
      const handle = await file.createSyncAccessHandle();
      try {
        const store = new SegmentStore(root, folder, new StoreIndex(handle), limitBytes, sha256);
        await store.#removeUnknown();
        await store.setLimit(limitBytes, (records) => records);
        return store;
      } catch (error) {
        handle.close();
        throw error;
      }
    });
  }

  private constructor(root: StoreFolder, folder: StoreFolder, index: StoreIndex, limitBytes: number, sha256: Sha256) {
    this.#root = root;
    this.#folder = folder;
    this.#index = index;
    this.#limitBytes = limitBytes;
    this.#sha256 = sha256;
    for (const record of index.records) this.#count(record);
  }

  /** Bytes of all files. */
  get usedBytes(): number {
    return this.#dataBytes + this.#index.sizeBytes;
  }

  get limitBytes(): number {
    return this.#limitBytes;
  }

  get totals(): Totals {
    return this.#index.totals;
  }

  /** Everything that is held. */
  get records(): readonly SegmentRecord[] {
    return [...this.#index.records];
  }

  /** What is held of one file. */
  holdings(fileId: string): Runs {
    return runsOf(this.records.filter((record) => record.fileId === fileId).map((record) => record.index));
  }

  has(fileId: string, index: number): boolean {
    return this.#index.has({ fileId, index });
  }

  /** Size of a held segment of a file, by its digest; undefined when it is not held for that file. */
  sizeOf(fileId: string, digest: string): number | undefined {
    const data = this.#data.get(digest);
    if (data === undefined) return undefined;
    for (const held of data.places) if (held.startsWith(fileId)) return data.sizeBytes;
    return undefined;
  }

  /** Whether a segment of this size can be added without removing another. */
  fits(sizeBytes: number): boolean {
    return this.usedBytes + sizeBytes + RECORD_BYTES <= this.#limitBytes;
  }

  /**
   * Adds a segment.
   *
   * @param digest its SHA-256 in hexadecimal, the one that it was verified against.
   * @returns false when there is no room under the limit: nothing was written.
   * @throws StoreError `quota_exceeded` or `store_unreadable`: nothing is left behind.
   */
  put(fileId: string, digest: string, segment: VerifiedSegment): Promise<boolean> {
    return this.#change(async () => {
      if (this.has(fileId, segment.index)) return true;
      const known = this.#data.get(digest);
      if (!this.fits(known === undefined ? segment.bytes.length : 0)) return false;
      const sizeBytes = segment.bytes.length;
      if (known === undefined) await this.#writeData(digest, segment.bytes);
      const record = { fileId, index: segment.index, digest, sizeBytes };
      try {
        this.#index.add(record);
      } catch (error) {
        if (known === undefined) await this.#folder.removeEntry(digest);
        throw error;
      }
      const data = this.#count(record);
      // What was just hashed needs no second look.
      if (known === undefined) data.checked = Promise.resolve();
      return true;
    });
  }

  /**
   * Reads a part of a held segment.
   *
   * @param target is filled wholly.
   * @throws IntegrityError `segment_mismatch` when the segment has gone bad: it is removed.
   * @throws StoreError `store_unreadable` when it is not held (any more) or cannot be read.
   */
  async read(digest: string, offset: number, target: Uint8Array<ArrayBuffer>): Promise<void> {
    await guarded(async () => {
      const data = this.#data.get(digest);
      if (data === undefined || !this.#open) throw unreadable();
      data.checked ??= this.#check(digest, data);
      await data.checked;
      const handle = await this.#handle(digest).catch((error: unknown) => this.#vanished(digest, error));
      if (handle.read(target, { at: offset }) !== target.length) throw unreadable();
    });
  }

  /** Removes segments; those that are not held are skipped. */
  drop(places: readonly Place[]): Promise<void> {
    return this.#change(() => this.#drop(places));
  }

  /**
   * Changes the limit. When it is smaller than what is used, segments are removed before this returns.
   *
   * @param keepFirst orders what is held, most valuable first: what does not fit is removed from the end.
   */
  setLimit(
    limitBytes: number,
    keepFirst: (records: readonly SegmentRecord[]) => readonly SegmentRecord[],
  ): Promise<void> {
    return this.#change(async () => {
      this.#limitBytes = limitBytes;
      if (this.usedBytes <= limitBytes) return;
      let keptBytes = STORE_BYTES_MIN;
      await this.#drop(
        keepFirst(this.records).filter((record) => {
          keptBytes += record.sizeBytes + RECORD_BYTES;
          return keptBytes > limitBytes;
        }),
      );
    });
  }

  /** Keeps the totals. */
  saveTotals(totals: Totals): Promise<void> {
    return this.#change(() => {
      this.#index.saveTotals(totals);
      return Promise.resolve();
    });
  }

  /** Removes everything, the folder itself included, and closes the store. */
  erase(): Promise<void> {
    return this.#change(async () => {
      await this.#closeHandles();
      this.close();
      await this.#root.removeEntry(STORE_FOLDER, { recursive: true });
    });
  }

  /** Closes the store. What is under way fails. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    void this.#closeHandles();
    this.#index.close();
  }

  #change<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#last.then(() => {
      if (!this.#open) throw unreadable();
      return guarded(run);
    });
    this.#last = done.catch(() => undefined); // whoever asked for the change gets the error
    return done;
  }

  /** Removes files that the index does not name, and records whose file is gone. */
  async #removeUnknown(): Promise<void> {
    const found = new Set<string>();
    for await (const name of this.#folder.keys()) found.add(name);
    for (const name of found) {
      if (name !== INDEX_NAME && !this.#data.has(name)) await this.#folder.removeEntry(name, { recursive: true });
    }
    await this.#drop(this.records.filter((record) => !found.has(record.digest)));
  }

  /** Counts a record of the index in. */
  #count(record: SegmentRecord): Data {
    let data = this.#data.get(record.digest);
    if (data === undefined) {
      data = { sizeBytes: record.sizeBytes, places: new Set(), checked: undefined };
      this.#data.set(record.digest, data);
      this.#dataBytes += record.sizeBytes;
    }
    data.places.add(keyOf(record));
    return data;
  }

  async #writeData(digest: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const file = await this.#folder.getFileHandle(digest, { create: true });
    try {
      const handle = await file.createSyncAccessHandle();
      try {
        handle.truncate(0);
        writeWhole(handle, bytes, 0);
        handle.flush();
      } finally {
        handle.close();
      }
    } catch (error) {
      await this.#folder.removeEntry(digest);
      throw error;
    }
  }

  async #drop(places: readonly Place[]): Promise<void> {
    for (const record of this.#index.remove(places)) {
      const data = this.#data.get(record.digest);
      data?.places.delete(keyOf(record));
      if (data?.places.size !== 0) continue;
      this.#data.delete(record.digest);
      await this.#closeHandle(record.digest);
      await this.#folder.removeEntry(record.digest).catch(ignoreMissing);
      this.#dataBytes -= data.sizeBytes;
    }
  }

  async #check(digest: string, data: Data): Promise<void> {
    const handle = await this.#handle(digest).catch((error: unknown) => this.#vanished(digest, error));
    const bytes = new Uint8Array(data.sizeBytes);
    const whole = handle.getSize() === bytes.length && handle.read(bytes, { at: 0 }) === bytes.length;
    if (whole && toHex(await this.#sha256(bytes)) === digest) return;
    return this.#bad(digest);
  }

  /** A file that cannot be opened: browsers that need room, and people who clear a site's data, take it away under us. */
  async #vanished(digest: string, error: unknown): Promise<never> {
    if (error instanceof Error && error.name === "NotFoundError") return this.#bad(digest);
    throw error;
  }

  async #bad(digest: string): Promise<never> {
    await this.drop(this.records.filter((record) => record.digest === digest));
    throw new IntegrityError(
      "segment_mismatch",
      "A stored segment has gone bad or is gone, and was taken off the index.",
    );
  }

  #handle(digest: string): Promise<StoreHandle> {
    let handle = this.#handles.get(digest);
    if (handle === undefined) {
      handle = this.#folder.getFileHandle(digest, { create: false }).then((file) => file.createSyncAccessHandle());
      // A failed try must not stay: the next read tries again.
      handle.catch(() => this.#handles.delete(digest));
    }
    this.#handles.delete(digest);
    this.#handles.set(digest, handle);
    const oldest = this.#handles.keys().next();
    if (this.#handles.size > HANDLES_MAX && oldest.done !== true) void this.#closeHandle(oldest.value);
    return handle;
  }

  async #closeHandle(digest: string): Promise<void> {
    const handle = this.#handles.get(digest);
    this.#handles.delete(digest);
    await handle?.then(
      (opened) => {
        opened.close();
      },
      () => undefined, // it never opened
    );
  }

  async #closeHandles(): Promise<void> {
    await Promise.all([...this.#handles.keys()].map((digest) => this.#closeHandle(digest)));
  }
}

function unreadable(): StoreError {
  return new StoreError("store_unreadable", "A stored segment cannot be read.");
}

/** What the browser throws becomes an error of ours, once. */
async function guarded<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof DistributeError) throw cause;
    const name = cause instanceof Error ? cause.name : "";
    if (name === "NoModificationAllowedError") {
      throw new StoreError("store_in_use", "Another tab of this browser is donating already.", { cause });
    }
    if (name === "QuotaExceededError" || name === "NS_ERROR_FILE_NO_DEVICE_SPACE") {
      throw new StoreError("quota_exceeded", "The browser gives this site no more room.", { cause });
    }
    throw new StoreError("store_unreadable", "The browser's storage failed.", { cause });
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Error) || error.name !== "NotFoundError") throw error;
}

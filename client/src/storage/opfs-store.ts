/**
 * A file of the origin private file system, written in place by a sync handle: the one positioned, durable write with
 * bounded memory that all engines have (docs/browser-facts.md, Storage).
 *
 * - Room is found out by `truncate`, since `estimate()` says nothing.
 * - One data file per download, named by the file's id, and a journal beside it, from which a later run goes on. The
 *   journal claims only what was flushed before, and nothing outlives a data file of another size.
 * - A finished one gets another name: the browser may still be copying it to the download folder (nothing tells when that
 *   is over), and a second download of the same file must not write into it. Its journal stays until the whole file's
 *   digest is known to be right: so long no other tab takes it for finished (saving/kept-files.ts), and a later run goes on
 *   with it.
 */

import { Mark, type HashedFront } from "../core/download-journal.ts";
import type { Sha256, VerifiedSegment } from "../core/verified.ts";
import { StoreError } from "../wire/errors.ts";
import { inUse } from "./download-lock.ts";
import type { DownloadStore, Kept, StoreTarget } from "./download-store.ts";
import { JournalFile } from "./journal-file.ts";
import { DOWNLOADS_PATH, keptLock, lastFinished, namesIn, Suffix } from "./names.ts";
import { recheck } from "./recheck.ts";
import type { StoredFile } from "./stored-file.ts";

const HOUR_MS = 60 * 60 * 1000;

/** A finished file is kept so long for "save again"; what is older is removed when the next download starts. */
export const KEEP_MS = 24 * HOUR_MS;

/**
 * Where there is no room otherwise, a finished file is kept only so long: the browser has copied it by then. One that
 * still waits for the visitor's word is held by a lock of its page (saving/kept-file.ts), and stays.
 */
export const KEEP_SHORT_MS = HOUR_MS / 4;

/** An unfinished one is kept so long after its last byte: people come back to a large download in the same week. */
export const KEEP_UNFINISHED_MS = 7 * 24 * HOUR_MS;

const NO_ROOM = "The browser has no room for this file.";

/** What a store needs of the browser; `navigator` is one. */
export interface StoreBrowser {
  readonly storage: StorageManager;
  readonly locks: LockManager;
}

/** A file's entry in its folder, and the handle that writes it. */
interface OpenFile {
  readonly entry: FileSystemFileHandle;
  readonly handle: FileSystemSyncAccessHandle;
}

export class OpfsStore implements DownloadStore {
  readonly kept: Kept;
  readonly #target: StoreTarget;
  readonly #folder: FileSystemDirectoryHandle;
  #data: OpenFile;
  readonly #journal: JournalFile;
  readonly #unlock: () => void;
  /** A {@link Mark} for each segment; `recent` is what the next checkpoint will claim for the first time. */
  readonly #marks: Uint8Array<ArrayBuffer>;
  #front: HashedFront | undefined;
  /** The file under its last name, on its way or there; undefined before writing has ended. */
  #finished: Promise<StoredFile> | undefined;

  private constructor(
    target: StoreTarget,
    folder: FileSystemDirectoryHandle,
    data: OpenFile,
    journal: JournalFile,
    left: { readonly marks: Uint8Array<ArrayBuffer>; readonly front: HashedFront | undefined },
    unlock: () => void,
  ) {
    this.#target = target;
    this.#folder = folder;
    this.#data = data;
    this.#journal = journal;
    this.#unlock = unlock;
    this.#marks = left.marks;
    this.#front = left.front;
    this.kept = { stored: [...left.marks].map((mark) => mark !== Mark.missing), front: left.front };
  }

  /**
   * Opens the store of a file, with what an earlier run left of it.
   *
   * @param unlock called when the store has ended, not when this fails.
   * @throws StoreError `store_in_use`, `quota_exceeded`.
   * @throws DOMException where the browser gives no storage.
   */
  static async open(
    target: StoreTarget,
    sha256: Sha256,
    browser: StoreBrowser,
    unlock: () => void,
  ): Promise<OpfsStore> {
    const open: FileSystemSyncAccessHandle[] = [];
    let folder: FileSystemDirectoryHandle | undefined;
    try {
      folder = await downloadsFolder(browser.storage);
      await removeOld(folder, KEEP_MS, browser.locks);
      await takeBack(folder, target);
      const data = await openFile(folder, dataName(target), open);
      const journal = new JournalFile((await openFile(folder, journalName(target), open)).handle, target);
      let left = await leftBefore(target, data, journal, sha256);
      try {
        left ??= makeRoom(target, data, journal);
      } catch {
        await removeOld(folder, KEEP_SHORT_MS, browser.locks);
        left = makeRoom(target, data, journal);
      }
      await writeAbout(folder, target);
      return new OpfsStore(target, folder, data, journal, left, unlock);
    } catch (cause) {
      for (const handle of open) handle.close();
      if (cause instanceof StoreError) await removeFiles(folder, target); // there was no room: nothing is kept
      if (cause instanceof DOMException && cause.name === "NoModificationAllowedError") throw inUse(cause);
      throw cause;
    }
  }

  /** As {@link open}, but only what an earlier run left; undefined when that is nothing. Takes no room. */
  static async reopen(target: StoreTarget, sha256: Sha256, browser: StoreBrowser): Promise<OpfsStore | undefined> {
    const open: FileSystemSyncAccessHandle[] = [];
    try {
      const folder = await downloadsFolder(browser.storage);
      await takeBack(folder, target);
      await folder.getFileHandle(dataName(target));
      const data = await openFile(folder, dataName(target), open);
      const journal = new JournalFile((await openFile(folder, journalName(target), open)).handle, target);
      const left = await leftBefore(target, data, journal, sha256);
      if (left !== undefined) return new OpfsStore(target, folder, data, journal, left, () => undefined);
    } catch {
      // No storage, or nothing there: nothing was left.
    }
    for (const handle of open) handle.close();
    return undefined;
  }

  write(segment: VerifiedSegment): void {
    const { layout } = this.#target;
    let written: number;
    try {
      written = this.#data.handle.write(segment.bytes, { at: layout.startOf(segment.index) });
    } catch (cause) {
      throw new StoreError("quota_exceeded", NO_ROOM, { cause });
    }
    // At its quota Firefox writes less, or nothing, and throws nothing.
    if (written !== segment.bytes.byteLength) throw new StoreError("quota_exceeded", NO_ROOM);
    this.#marks[segment.index] = Mark.recent;
  }

  async read(startByte: number, into: Uint8Array<ArrayBuffer>): Promise<void> {
    // It has no handle while it is renamed. Before that nothing may come between the call and the reading.
    if (this.#finished !== undefined) await this.#finished;
    if (this.#data.handle.read(into, { at: startByte }) !== into.byteLength)
      throw new StoreError("store_unreadable", "The browser's storage lost a part of the file.");
  }

  checkpoint(front: HashedFront | undefined): void {
    this.#front = front ?? this.#front;
    try {
      this.#data.handle.flush();
      this.#journal.write(this.#marks, this.#front);
    } catch (cause) {
      throw new StoreError("quota_exceeded", NO_ROOM, { cause });
    }
    this.#marks.forEach((mark, index) => {
      if (mark === Mark.recent) this.#marks[index] = Mark.durable;
    });
  }

  handOver(): Promise<StoredFile> {
    return (this.#finished ??= this.#rename());
  }

  async finish(): Promise<StoredFile> {
    const stored = await this.handOver();
    this.#close();
    await this.#folder.removeEntry(journalName(this.#target)).catch(() => undefined);
    this.#unlock();
    return stored;
  }

  suspend(): Promise<void> {
    try {
      this.checkpoint(undefined);
    } catch {
      // What was durable before still is.
    }
    this.#close();
    this.#unlock();
    return Promise.resolve();
  }

  async discard(): Promise<void> {
    await this.#finished?.catch(() => undefined);
    this.#close();
    if (this.#finished !== undefined) await this.#folder.removeEntry(this.#data.entry.name).catch(() => undefined);
    await removeFiles(this.#folder, this.#target);
    this.#unlock();
  }

  /** Gives the file its last name, and opens it there: the digest of its last segments may be still to come. */
  async #rename(): Promise<StoredFile> {
    // Not flushed: the browser copies it through the page cache, and nobody comes back to it after a power cut.
    const { entry } = this.#data;
    // What no checkpoint has claimed yet is checked again by a run that goes on from here, flushed or not.
    this.#journal.write(this.#marks, this.#front);
    this.#data.handle.close();
    await move(entry, `${this.#target.fileId}.${Date.now()}${Suffix.finished}`);
    this.#data = { entry, handle: await entry.createSyncAccessHandle() };
    return { kind: "opfs", path: [...DOWNLOADS_PATH, entry.name] };
  }

  #close(): void {
    this.#data.handle.close();
    this.#journal.close();
  }
}

function dataName(target: StoreTarget): string {
  return target.fileId + Suffix.data;
}

function journalName(target: StoreTarget): string {
  return target.fileId + Suffix.journal;
}

function aboutName(target: StoreTarget): string {
  return target.fileId + Suffix.about;
}

/** The folder of all downloads, made when it is not there. */
async function downloadsFolder(storage: StorageManager): Promise<FileSystemDirectoryHandle> {
  let folder = await storage.getDirectory();
  for (const name of DOWNLOADS_PATH) folder = await folder.getDirectoryHandle(name, { create: true });
  return folder;
}

/** A finished file whose digest was never compared, since its tab ended before, is an unfinished one again. */
async function takeBack(folder: FileSystemDirectoryHandle, target: StoreTarget): Promise<void> {
  const names = await namesIn(folder);
  if (names.includes(dataName(target)) || !names.includes(journalName(target))) return;
  const finished = lastFinished(names, target.fileId);
  if (finished !== undefined) await move(await folder.getFileHandle(finished), dataName(target));
}

/** Leaves word of what this is; a list of files without names helps nobody, and nor does a download without this. */
async function writeAbout(folder: FileSystemDirectoryHandle, target: StoreTarget): Promise<void> {
  const open: FileSystemSyncAccessHandle[] = [];
  try {
    const { handle } = await openFile(folder, aboutName(target), open);
    handle.truncate(0);
    handle.write(new TextEncoder().encode(JSON.stringify(target.about)), { at: 0 });
  } catch {
    // No room for so little: the download will say so itself.
  }
  for (const handle of open) handle.close();
}

/** Removes journal and data, in this order: a journal must not outlive what it speaks of. */
async function removeFiles(folder: FileSystemDirectoryHandle | undefined, target: StoreTarget): Promise<void> {
  for (const name of [journalName(target), dataName(target), aboutName(target)]) {
    // The visitor may have removed it already.
    await folder?.removeEntry(name).catch(() => undefined);
  }
}

/** Opens a file for writing by this worker alone, and notes the handle in `open`. */
async function openFile(
  folder: FileSystemDirectoryHandle,
  name: string,
  open: FileSystemSyncAccessHandle[],
): Promise<OpenFile> {
  const entry = await folder.getFileHandle(name, { create: true });
  const handle = await entry.createSyncAccessHandle();
  open.push(handle);
  return { entry, handle };
}

/** What an earlier run left of exactly this file; undefined when nothing can be believed. */
async function leftBefore(target: StoreTarget, { handle }: OpenFile, journal: JournalFile, sha256: Sha256) {
  const entry = journal.read();
  if (entry === undefined || handle.getSize() !== target.layout.sizeBytes) return undefined;
  const read = (at: number, into: Uint8Array<ArrayBuffer>) => {
    try {
      handle.read(into, { at });
    } catch {
      // A place that the disk cannot read is as good as a wrong segment: it is fetched again.
    }
  };
  const allRight = await recheck(target, entry.marks, read, sha256);
  return { marks: entry.marks, front: allRight ? entry.front : undefined };
}

/** Begins anew. */
function makeRoom({ layout }: StoreTarget, { handle }: OpenFile, journal: JournalFile) {
  try {
    journal.reset();
    handle.truncate(0);
    handle.truncate(layout.sizeBytes);
    // Firefox has been seen to take a size without giving the room.
    if (handle.getSize() !== layout.sizeBytes) throw new StoreError("quota_exceeded", NO_ROOM);
  } catch (cause) {
    // Every failure here is about room; its name differs (Firefox: NS_ERROR_FILE_NO_DEVICE_SPACE).
    handle.truncate(0);
    throw new StoreError("quota_exceeded", NO_ROOM, { cause });
  }
  return { marks: new Uint8Array(layout.count), front: undefined };
}

/** Renames a file in its folder; every engine has `move` for the private file system, lib.dom has not. */
async function move(file: FileSystemFileHandle & { move?(name: string): Promise<void> }, name: string): Promise<void> {
  await file.move?.(name);
}

/** Removes finished and abandoned files of former days. What another tab has open refuses to go, and stays. */
async function removeOld(folder: FileSystemDirectoryHandle, keepDoneMs: number, locks: LockManager): Promise<void> {
  const held = new Set((await locks.query()).held?.map((lock) => lock.name));
  for await (const [name, entry] of folder.entries()) {
    if (entry.kind !== "file" || held.has(keptLock(name))) continue;
    try {
      const file = await entry.getFile();
      const keepMs = name.endsWith(Suffix.finished) ? keepDoneMs : KEEP_UNFINISHED_MS;
      if (Date.now() - file.lastModified > keepMs) await folder.removeEntry(name);
    } catch {
      // Open elsewhere, or gone meanwhile: nothing to do.
    }
  }
}

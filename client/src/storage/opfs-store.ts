/**
 * A file of the origin private file system, written in place by a sync handle: the one positioned, durable write with
 * bounded memory that all engines have (docs/browser-facts.md, Storage).
 *
 * - Room is found out by `truncate`, since `estimate()` says nothing.
 * - One data file per download, named by the file's id, so that a journal can lie beside it and a restart finds it. A
 *   finished one gets another name: the browser may still be copying it to the download folder (nothing tells when that
 *   is over), and a second download of the same file must not write into it.
 */

import type { SegmentLayout } from "../core/segment-layout.ts";
import type { VerifiedSegment } from "../core/verified.ts";
import { StoreError } from "../wire/errors.ts";
import type { DownloadStore } from "./download-store.ts";
import type { StoredFile } from "./stored-file.ts";

/** Folder of all downloads in the origin's private file system. */
export const DOWNLOADS_PATH: readonly string[] = ["distribute-io", "downloads"];

/** A finished file is kept so long for "save again"; what is older is removed when the next download starts. */
export const KEEP_MS = 24 * 60 * 60 * 1000;

const NO_ROOM = "The browser has no room for this file.";

export class OpfsStore implements DownloadStore {
  readonly #folder: FileSystemDirectoryHandle;
  readonly #file: FileSystemFileHandle;
  readonly #layout: SegmentLayout;
  readonly #handle: FileSystemSyncAccessHandle;

  private constructor(
    folder: FileSystemDirectoryHandle,
    file: FileSystemFileHandle,
    layout: SegmentLayout,
    handle: FileSystemSyncAccessHandle,
  ) {
    this.#folder = folder;
    this.#file = file;
    this.#layout = layout;
    this.#handle = handle;
  }

  static async open(fileId: string, layout: SegmentLayout, storage: StorageManager): Promise<OpfsStore> {
    let folder = await storage.getDirectory();
    for (const name of DOWNLOADS_PATH) folder = await folder.getDirectoryHandle(name, { create: true });
    await removeOld(folder);
    const name = `${fileId}.part`;
    const file = await folder.getFileHandle(name, { create: true });
    const handle = await file.createSyncAccessHandle();
    try {
      handle.truncate(0);
      handle.truncate(layout.sizeBytes);
      // Firefox has been seen to take a size without giving the room.
      if (handle.getSize() !== layout.sizeBytes) throw new StoreError("quota_exceeded", NO_ROOM);
    } catch (cause) {
      handle.close();
      await folder.removeEntry(name).catch(() => undefined);
      // Every failure here is about room; its name differs (Firefox: NS_ERROR_FILE_NO_DEVICE_SPACE).
      throw new StoreError("quota_exceeded", NO_ROOM, { cause });
    }
    return new OpfsStore(folder, file, layout, handle);
  }

  write(segment: VerifiedSegment): void {
    let written: number;
    try {
      written = this.#handle.write(segment.bytes, { at: this.#layout.startOf(segment.index) });
    } catch (cause) {
      throw new StoreError("quota_exceeded", NO_ROOM, { cause });
    }
    // At its quota Firefox writes less, or nothing, and throws nothing.
    if (written !== segment.bytes.byteLength) throw new StoreError("quota_exceeded", NO_ROOM);
  }

  read(startByte: number, into: Uint8Array<ArrayBuffer>): Promise<void> {
    const read = this.#handle.read(into, { at: startByte });
    return read === into.byteLength
      ? Promise.resolve()
      : Promise.reject(new StoreError("store_unreadable", "The browser's storage lost a part of the file."));
  }

  async finish(): Promise<StoredFile> {
    this.#handle.flush();
    this.#handle.close();
    await move(this.#file, this.#file.name.replace(/part$/, `${Date.now()}.done`));
    return { kind: "opfs", path: [...DOWNLOADS_PATH, this.#file.name] };
  }

  async discard(): Promise<void> {
    this.#handle.close();
    await this.#folder.removeEntry(this.#file.name).catch(() => undefined);
  }
}

/** Renames a file in its folder; every engine has `move` for the private file system, lib.dom has not. */
async function move(file: FileSystemFileHandle & { move?(name: string): Promise<void> }, name: string): Promise<void> {
  await file.move?.(name);
}

/** Removes finished and abandoned files of former days. What another tab has open refuses to go, and stays. */
async function removeOld(folder: FileSystemDirectoryHandle): Promise<void> {
  for await (const [name, entry] of folder.entries()) {
    if (entry.kind !== "file") continue;
    try {
      const file = await entry.getFile();
      if (Date.now() - file.lastModified > KEEP_MS) await folder.removeEntry(name);
    } catch {
      // Open elsewhere, or gone meanwhile: nothing to do.
    }
  }
}

/** A small file in memory, where the browser has no private file system for this page. */

import type { SegmentLayout } from "../core/segment-layout.ts";
import type { VerifiedSegment } from "../core/verified.ts";
import { StoreError } from "../wire/errors.ts";
import type { DownloadStore, Kept } from "./download-store.ts";
import type { StoredFile } from "./stored-file.ts";

/** Largest file that is kept in memory where there is no private file system. Phones fail not far above it. */
export const MEMORY_BYTES_MAX = 256 * 1024 * 1024;

/** Segments as blobs: the browser may move those out of memory, and joining them copies nothing. */
export class MemoryStore implements DownloadStore {
  readonly kept: Kept;
  readonly #layout: SegmentLayout;
  readonly #blobs: (Blob | undefined)[];

  constructor(layout: SegmentLayout) {
    this.#layout = layout;
    this.kept = { stored: new Array<boolean>(layout.count).fill(false), front: undefined };
    this.#blobs = new Array<Blob | undefined>(layout.count).fill(undefined);
  }

  write(segment: VerifiedSegment): void {
    this.#blobs[segment.index] = new Blob([segment.bytes]);
  }

  async read(startByte: number, into: Uint8Array<ArrayBuffer>): Promise<void> {
    let filled = 0;
    while (filled < into.byteLength) {
      const index = this.#layout.indexAt(startByte + filled);
      const blob = this.#blobs[index];
      if (blob === undefined) throw new StoreError("store_unreadable", "A segment was read that is not there.");
      const offset = startByte + filled - this.#layout.startOf(index);
      const part = blob.slice(offset, offset + into.byteLength - filled);
      into.set(new Uint8Array(await part.arrayBuffer()), filled);
      filled += part.size;
    }
  }

  checkpoint(): void {
    // Memory survives nothing.
  }

  finish(): Promise<StoredFile> {
    return Promise.resolve({ kind: "memory", blob: new Blob(this.#blobs.filter((blob) => blob !== undefined)) });
  }

  suspend(): Promise<void> {
    return this.discard();
  }

  discard(): Promise<void> {
    this.#blobs.fill(undefined);
    return Promise.resolve();
  }
}

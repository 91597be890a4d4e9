/** A small file, a store in memory, and a digest, for tests of the download worker's parts. */

import { createHash } from "node:crypto";
import type { VerifiedSegment } from "../../src/core/verified.ts";
import { SegmentLayout } from "../../src/core/segment-layout.ts";
import type { HashedFront } from "../../src/core/download-journal.ts";
import type { DownloadStore, Kept } from "../../src/storage/download-store.ts";
import type { StoredFile } from "../../src/storage/stored-file.ts";

export function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return Promise.resolve(new Uint8Array(createHash("sha256").update(bytes).digest()));
}

export class FakeFile {
  readonly layout: SegmentLayout;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly segmentList: Uint8Array<ArrayBuffer>;
  readonly sha256: string;

  constructor(sizeBytes: number, segmentSizeBytes: number) {
    this.layout = new SegmentLayout(sizeBytes, segmentSizeBytes);
    this.bytes = Uint8Array.from({ length: sizeBytes }, (_, at) => (at * 7 + (at >> 8)) % 253);
    this.segmentList = new Uint8Array(32 * this.layout.count);
    for (let index = 0; index < this.layout.count; index += 1) {
      const segment = this.bytes.subarray(this.layout.startOf(index), this.layout.endOf(index));
      this.segmentList.set(createHash("sha256").update(segment).digest(), 32 * index);
    }
    this.sha256 = createHash("sha256").update(this.bytes).digest("hex");
  }

  slice(startByte: number, endByte: number): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(startByte, endByte);
  }
}

export class FakeStore implements DownloadStore {
  readonly written = new Map<number, Uint8Array>();
  readonly #layout: SegmentLayout;
  readonly kept: Kept;
  /** The front of each checkpoint. */
  readonly checkpoints: (HashedFront | undefined)[] = [];
  failure: Error | undefined;

  constructor(layout: SegmentLayout) {
    this.#layout = layout;
    this.kept = { stored: new Array<boolean>(layout.count).fill(false), front: undefined };
  }

  write(segment: VerifiedSegment): void {
    if (this.failure !== undefined) throw this.failure;
    this.written.set(segment.index, segment.bytes.slice());
  }

  read(startByte: number, into: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    into.set(this.written.get(this.#layout.indexAt(startByte)) ?? []);
    return Promise.resolve();
  }

  checkpoint(front: HashedFront | undefined): void {
    if (this.failure !== undefined) throw this.failure;
    this.checkpoints.push(front);
  }

  finish(): Promise<StoredFile> {
    return Promise.resolve({ kind: "opfs", path: ["x"] });
  }

  suspend(): Promise<void> {
    return Promise.resolve();
  }

  discard(): Promise<void> {
    this.written.clear();
    return Promise.resolve();
  }
}

/** Lets everything run that waits for nothing but its turn. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

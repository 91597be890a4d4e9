/**
 * What a page shares of its downloads: a donor's store that belongs to somebody else, who writes, renames and removes it.
 *
 * - Only segments that the download found right are held, and each is hashed again when it is read: what is on the disk by
 *   now may be another thing.
 * - Whole segments are read, and the last few kept in memory, since a downloader asks for one in some dozen frames.
 * - A file that is gone is not held any more.
 */

import { equalBytes, toHex } from "../core/hex.ts";
import { indicesOf, runsOf, type Runs } from "../core/runs.ts";
import { SegmentLayout } from "../core/segment-layout.ts";
import type { Sha256 } from "../core/verified.ts";
import type { ServedStore } from "../donate/serving.ts";
import { IntegrityError, StoreError } from "../wire/errors.ts";
import { FILES_PER_MESSAGE_MAX } from "../wire/messages.ts";
import type { SharedFile } from "./messages.ts";

/** Segments in memory, of all files together; one at least. */
const MEMORY_BYTES = 16 * 1024 * 1024;

/** Chromium refuses to read a file that was written to since it was opened, if a second ended in between. */
const READS_MAX = 4;

interface Held {
  readonly file: SharedFile;
  readonly layout: SegmentLayout;
  readonly indices: Set<number>;
  /** An index of each digest that is held. */
  readonly byDigest: Map<string, number>;
}

export class SharedFiles implements ServedStore {
  readonly #open: (fileId: string) => Promise<Blob | undefined>;
  readonly #sha256: Sha256;
  readonly #gone: (fileId: string) => void;
  readonly #files = new Map<string, Held>();
  /** By digest, in the order of their last use. */
  readonly #segments = new Map<string, { readonly bytes: Promise<Uint8Array<ArrayBuffer>>; readonly length: number }>();

  /**
   * @param open the file of a download as it is now; undefined when it is gone.
   * @param gone told when it is.
   */
  constructor(open: (fileId: string) => Promise<Blob | undefined>, sha256: Sha256, gone: (fileId: string) => void) {
    this.#open = open;
    this.#sha256 = sha256;
    this.#gone = gone;
  }

  get fileIds(): readonly string[] {
    return [...this.#files.keys()];
  }

  /** A file that is about to be held; nothing of it is yet. One too many is not shared. */
  add(file: SharedFile): void {
    if (this.#files.size >= FILES_PER_MESSAGE_MAX) return;
    const layout = new SegmentLayout(file.sizeBytes, file.segmentSizeBytes);
    this.#files.set(file.fileId, { file, layout, indices: new Set(), byDigest: new Map() });
  }

  /** Segments of a file are right and stored. */
  stored(fileId: string, runs: Runs): void {
    const held = this.#files.get(fileId);
    if (held === undefined) return;
    for (const index of indicesOf(runs)) {
      held.indices.add(index);
      held.byDigest.set(toHex(digestAt(held.file, index)), index);
    }
  }

  drop(fileId: string): void {
    this.#files.delete(fileId);
  }

  sizeOf(fileId: string, digest: string): number | undefined {
    const held = this.#files.get(fileId);
    const index = held?.byDigest.get(digest);
    return index === undefined ? undefined : held?.layout.lengthOf(index);
  }

  holdings(fileId: string): Runs {
    return runsOf(this.#files.get(fileId)?.indices ?? []);
  }

  /**
   * @throws IntegrityError `segment_mismatch` when what is stored is something else by now.
   * @throws StoreError `store_unreadable` when the file is gone. Either way it is not held any more.
   */
  async read(digest: string, offset: number, target: Uint8Array<ArrayBuffer>): Promise<void> {
    const bytes = await this.#segment(digest);
    if (this.#holderOf(digest) === undefined) throw notHeld(); // withdrawn, though it is in memory still
    target.set(bytes.subarray(offset, offset + target.length));
  }

  #segment(digest: string): Promise<Uint8Array<ArrayBuffer>> {
    const segment = this.#segments.get(digest) ?? {
      bytes: this.#load(digest),
      length: this.sizeOf(this.#holderOf(digest)?.file.fileId ?? "", digest) ?? 0,
    };
    segment.bytes.catch(() => this.#segments.delete(digest));
    this.#segments.delete(digest);
    this.#segments.set(digest, segment);
    let bytes = 0;
    for (const { length } of this.#segments.values()) bytes += length;
    for (const [oldest, { length }] of this.#segments) {
      if (bytes <= MEMORY_BYTES || oldest === digest) break;
      this.#segments.delete(oldest);
      bytes -= length;
    }
    return segment.bytes;
  }

  #holderOf(digest: string): Held | undefined {
    return [...this.#files.values()].find(({ byDigest }) => byDigest.has(digest));
  }

  async #load(digest: string): Promise<Uint8Array<ArrayBuffer>> {
    const held = this.#holderOf(digest);
    const index = held?.byDigest.get(digest);
    if (held === undefined || index === undefined) throw notHeld();
    const bytes = await this.#bytes(held, index);
    if (bytes.length === held.layout.lengthOf(index)) {
      if (equalBytes(await this.#sha256(bytes), digestAt(held.file, index))) return bytes;
    }
    held.indices.delete(index);
    held.byDigest.delete(digest);
    throw new IntegrityError("segment_mismatch", "A stored segment is not what it was.");
  }

  async #bytes({ file, layout }: Held, index: number): Promise<Uint8Array<ArrayBuffer>> {
    for (let tries = 1; ; tries += 1) {
      const whole = await this.#open(file.fileId);
      if (whole === undefined) {
        this.drop(file.fileId);
        this.#gone(file.fileId);
        throw notHeld();
      }
      try {
        return new Uint8Array(await whole.slice(layout.startOf(index), layout.endOf(index)).arrayBuffer());
      } catch (cause) {
        if (tries === READS_MAX) throw new StoreError("store_unreadable", "A download cannot be read.", { cause });
      }
    }
  }
}

function digestAt({ segmentList }: SharedFile, index: number): Uint8Array {
  return segmentList.subarray(32 * index, 32 * (index + 1));
}

function notHeld(): StoreError {
  return new StoreError("store_unreadable", "This segment is not held any more.");
}

/**
 * From bytes to verified, stored segments, in bounded memory.
 *
 * Bytes of any request are copied into their segment's buffer; a complete segment is digested by WebCrypto (on its own
 * threads, while others fill), compared, written in one positioned write, and its buffer goes back to the pool.
 *
 * Rules:
 * - Nothing is written that is not a `VerifiedSegment`.
 * - Bytes for a segment that is complete or stored already are dropped.
 * - The listener hears of each segment exactly once per try: verified (it is stored) or rejected (its bytes are gone).
 */

import type { Part } from "../core/scheduler/messages.ts";
import { SegmentAssembly } from "../core/segment-assembly.ts";
import type { SegmentLayout } from "../core/segment-layout.ts";
import { verifySegment, type Sha256 } from "../core/verified.ts";
import type { DownloadStore } from "../storage/download-store.ts";
import { BufferPool } from "./buffer-pool.ts";

export interface IntakeListener {
  /** The segment is right, and can be read back from the store; it may still occupy memory. */
  segmentReadable(index: number): void;
  /** The segment is right and stored. */
  segmentVerified(index: number): void;
  /**
   * The segment's SHA-256 does not match.
   *
   * @returns the parts whose digests are to be kept, to be compared with the right bytes when those have come.
   */
  segmentRejected(index: number): readonly Part[];
  /** Right bytes for kept parts have come: these sources had sent others. */
  partsCompared(index: number, wrongSourceIds: readonly string[]): void;
  /** The store failed; nothing more can be taken. */
  storeFailed(cause: unknown): void;
}

/** The digest of a part as it came in a rejected segment. */
interface KeptPart extends Part {
  readonly digest: Promise<Uint8Array>;
}

export class SegmentIntake {
  readonly #layout: SegmentLayout;
  readonly #segmentList: Uint8Array<ArrayBuffer>;
  readonly #store: DownloadStore;
  readonly #sha256: Sha256;
  readonly #pool: BufferPool;
  readonly #listener: IntakeListener;
  readonly #open = new Map<number, SegmentAssembly>();
  /** Segments that take no bytes now: being digested, or stored. */
  readonly #settled = new Set<number>();
  readonly #kept = new Map<number, readonly KeptPart[]>();
  #closed = false;

  /**
   * @param segmentList 32 bytes for each segment, checked against the manifest.
   * @param memoryBytes bound of what is received and not yet stored; at least two segments are allowed.
   */
  constructor(
    layout: SegmentLayout,
    segmentList: Uint8Array<ArrayBuffer>,
    store: DownloadStore,
    sha256: Sha256,
    memoryBytes: number,
    listener: IntakeListener,
  ) {
    this.#layout = layout;
    this.#segmentList = segmentList;
    this.#store = store;
    this.#sha256 = sha256;
    this.#listener = listener;
    this.#pool = new BufferPool(
      layout.segmentSizeBytes,
      Math.max(2, Math.floor(memoryBytes / layout.segmentSizeBytes)),
    );
  }

  /**
   * Waits until bytes at `atByte` can be taken.
   *
   * @returns how many: up to the end of the segment. Bytes that are not needed any more can be taken, too.
   */
  async room(atByte: number): Promise<number> {
    const index = this.#layout.indexAt(atByte);
    while (!this.#open.has(index) && !this.#settled.has(index) && !this.#closed) {
      const buffer = this.#pool.tryTake();
      if (buffer === undefined) await this.#pool.freed();
      else this.#begin(index, buffer);
    }
    return this.#layout.endOf(index) - atByte;
  }

  /** Takes bytes at their place in the file, by copying. They may span segments. */
  write(atByte: number, bytes: Uint8Array): void {
    let taken = 0;
    while (taken < bytes.byteLength && !this.#closed) {
      const at = atByte + taken;
      const index = this.#layout.indexAt(at);
      const part = bytes.subarray(taken, taken + this.#layout.endOf(index) - at);
      taken += part.byteLength;
      if (this.#settled.has(index)) continue;
      const assembly = this.#open.get(index) ?? this.#begin(index, this.#pool.take());
      assembly.write(at, part);
      if (assembly.complete) this.#settle(assembly);
    }
  }

  /** Forgets bytes of a segment that is not verified yet. */
  discard(startByte: number, endByte: number): void {
    this.#open.get(this.#layout.indexAt(startByte))?.discard(startByte, endByte);
  }

  /** Takes nothing more and reports nothing more. */
  close(): void {
    this.#closed = true;
    this.#open.clear();
    this.#kept.clear();
  }

  #begin(index: number, buffer: ArrayBuffer): SegmentAssembly {
    const bytes = new Uint8Array(buffer, 0, this.#layout.lengthOf(index));
    const assembly = new SegmentAssembly(index, this.#layout.startOf(index), bytes);
    this.#open.set(index, assembly);
    return assembly;
  }

  #settle(assembly: SegmentAssembly): void {
    this.#open.delete(assembly.index);
    this.#settled.add(assembly.index);
    this.#pool.announceReturn();
    this.#verify(assembly)
      .catch((cause: unknown) => {
        if (!this.#closed) this.#listener.storeFailed(cause);
      })
      .finally(() => {
        this.#pool.giveBack(assembly.bytes.buffer);
      });
  }

  async #verify(assembly: SegmentAssembly): Promise<void> {
    const { index, bytes } = assembly;
    const expected = this.#segmentList.subarray(32 * index, 32 * (index + 1));
    const segment = await verifySegment(index, bytes, expected, this.#sha256);
    if (this.#closed) return;
    if (segment === undefined) {
      this.#settled.delete(index);
      const parts = this.#listener.segmentRejected(index);
      const kept = parts.map((part) => ({ ...part, digest: this.#digestPart(assembly, part) }));
      if (kept.length > 0) this.#kept.set(index, kept);
      await Promise.all(kept.map((part) => part.digest)); // the buffer must stay as it is until then
      return;
    }
    const written = this.#store.write(segment);
    this.#listener.segmentReadable(index);
    if (written !== undefined) await written; // rejected when the store ends first
    this.#listener.segmentVerified(index);
    await this.#compareParts(assembly);
  }

  async #compareParts(assembly: SegmentAssembly): Promise<void> {
    const kept = this.#kept.get(assembly.index);
    if (kept === undefined) return;
    this.#kept.delete(assembly.index);
    const wrong: string[] = [];
    for (const part of kept) {
      const [was, is] = await Promise.all([part.digest, this.#digestPart(assembly, part)]);
      if (was.some((value, position) => value !== is[position])) wrong.push(part.sourceId);
    }
    if (!this.#closed) this.#listener.partsCompared(assembly.index, wrong);
  }

  #digestPart(assembly: SegmentAssembly, part: Part): Promise<Uint8Array> {
    const { startByte, bytes } = assembly;
    return this.#sha256(bytes.subarray(part.startByte - startByte, part.endByte - startByte));
  }
}

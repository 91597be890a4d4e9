/**
 * A store whose segments leave in the order of the file, to a sink that takes them one after another: a service worker's
 * download, a file that the visitor picked, or memory.
 *
 * - What came early waits in memory; the scheduler keeps that within a window (spec/scheduler.md, S17). `write` ends when
 *   its segment has left, and has been read for the whole file's digest.
 * - What an earlier run left in the private file system is passed on from there, and kept until all has left.
 * - The last segment leaves in `finish`, when the whole file's digest is known to be right: until then the sink can still
 *   be told that the file is not complete.
 */

import type { SegmentLayout } from "../core/segment-layout.ts";
import type { VerifiedSegment } from "../core/verified.ts";
import { isDistributeError, StoreError } from "../wire/errors.ts";
import type { DownloadStore, Kept } from "./download-store.ts";
import type { StoredFile } from "./stored-file.ts";

/** What takes a file from its first byte to its last. */
export interface OrderedSink {
  /** Ends when the bytes are taken; until then they must not change. Rejected when the sink is gone. */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** All came. @returns the file, where the sink keeps it in memory. */
  close(): Promise<Blob | undefined>;
  /** No more comes, and what came is no file. */
  abort(): Promise<void>;
}

interface Waiting {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly resolve: () => void;
  readonly reject: (cause: unknown) => void;
  /** Was it read for the digest, did it leave? */
  read: boolean;
  left: boolean;
}

export class OrderedStore implements DownloadStore {
  readonly kept: Kept;
  readonly #layout: SegmentLayout;
  readonly #sink: OrderedSink;
  readonly #base: DownloadStore | undefined;
  readonly #unlock: () => void;
  readonly #waiting = new Map<number, Waiting>();
  /** The segment that leaves next. */
  #next = 0;
  #pumping = false;
  #pumped = Promise.resolve();
  #failure: StoreError | undefined;

  /** @param base what an earlier run left; owned from now on. */
  constructor(layout: SegmentLayout, sink: OrderedSink, base: DownloadStore | undefined, unlock: () => void) {
    this.#layout = layout;
    this.#sink = sink;
    this.#base = base;
    this.#unlock = unlock;
    this.kept = base?.kept ?? { stored: new Array<boolean>(layout.count).fill(false), front: undefined };
    this.#pump();
  }

  write({ index, bytes }: VerifiedSegment): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      // The last one outlives this call, and its buffer is used again.
      const own = index === this.#layout.count - 1 ? bytes.slice() : bytes;
      this.#waiting.set(index, { bytes: own, resolve, reject, read: false, left: false });
      this.#pump();
    });
  }

  read(startByte: number, into: Uint8Array<ArrayBuffer>): Promise<void> {
    const index = this.#layout.indexAt(startByte);
    const waiting = this.#waiting.get(index);
    if (waiting === undefined) return this.#readKept(index, startByte, into);
    into.set(waiting.bytes);
    waiting.read = true;
    this.#settle(index, waiting);
    return Promise.resolve();
  }

  checkpoint(): void {
    // What has left is gone, and what waits survives nothing.
  }

  async finish(): Promise<StoredFile> {
    await this.#pumped;
    let blob: Blob | undefined;
    try {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#next < this.#layout.count) await this.#leave();
      blob = await this.#sink.close();
    } catch (cause) {
      throw asSinkError(cause);
    }
    await this.#base?.discard();
    this.#unlock();
    return blob === undefined ? { kind: "delivered" } : { kind: "memory", blob };
  }

  async suspend(): Promise<void> {
    await this.#end();
    await this.#base?.suspend();
    this.#unlock();
  }

  async discard(): Promise<void> {
    await this.#end();
    await this.#base?.discard();
    this.#unlock();
  }

  async #end(): Promise<void> {
    this.#fail(new StoreError("store_unreadable", "The download has ended."));
    await this.#sink.abort().catch(() => undefined); // it may be what has failed
  }

  /** Lets leave what is next and here, but for the last segment. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    this.#pumped = this.#pumpAll().catch((cause: unknown) => {
      this.#fail(asSinkError(cause));
    });
  }

  async #pumpAll(): Promise<void> {
    const last = this.#layout.count - 1;
    try {
      while (this.#next < last && this.#failure === undefined) {
        if (!this.#waiting.has(this.#next) && this.kept.stored[this.#next] !== true) return;
        await this.#leave();
      }
      if (this.#next === last) this.#waiting.get(last)?.resolve();
    } finally {
      // In the same turn in which the loop ended: a write that comes after it must not find the flag still up.
      this.#pumping = false;
    }
  }

  async #leave(): Promise<void> {
    const index = this.#next;
    const waiting = this.#waiting.get(index);
    let bytes = waiting?.bytes;
    if (bytes === undefined) {
      bytes = new Uint8Array(this.#layout.lengthOf(index));
      await this.#readKept(index, this.#layout.startOf(index), bytes);
    }
    await this.#sink.write(bytes);
    this.#next = index + 1;
    if (waiting === undefined) return;
    waiting.left = true;
    this.#settle(index, waiting);
  }

  #settle(index: number, waiting: Waiting): void {
    if (!waiting.read || !waiting.left) return;
    this.#waiting.delete(index);
    waiting.resolve();
  }

  #readKept(index: number, startByte: number, into: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.kept.stored[index] === true && this.#base !== undefined
      ? this.#base.read(startByte, into)
      : Promise.reject(new StoreError("store_unreadable", "A segment was read that is not there."));
  }

  #fail(failure: StoreError): void {
    this.#failure ??= failure;
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}

/** A sink's failure: it has no room, it was ended by the visitor, or it is gone. */
function asSinkError(cause: unknown): StoreError {
  if (isDistributeError(cause) && cause instanceof StoreError) return cause;
  const isFull = cause instanceof DOMException && cause.name === "QuotaExceededError";
  return isFull
    ? new StoreError("disk_full", "There is no room for the file in the place that was chosen.", { cause })
    : new StoreError("save_interrupted", "The browser ended the saving of this file.", { cause });
}

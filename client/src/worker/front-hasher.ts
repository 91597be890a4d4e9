/**
 * The SHA-256 of the whole file while its segments come out of order: follows the contiguous front of what is stored,
 * reads it back (it is still in the page cache: some GiB/s) and feeds the hasher worker in order.
 *
 * What is hashed already need not be hashed again in a later run: the digest's state is saved from time to time, and
 * loaded when a download goes on. A state that cannot be loaded costs reading the front again, and nothing else.
 *
 * A few buffers go back and forth, so that the hasher has work while this busy worker gets round to reading the next.
 */

import type { HashedFront } from "../core/download-journal.ts";
import type { SegmentLayout } from "../core/segment-layout.ts";
import type { DownloadStore, Kept } from "../storage/download-store.ts";
import type { FromHasher, ToHasher } from "./messages.ts";

const BUFFERS = 4;

export class FrontHasher {
  readonly #layout: SegmentLayout;
  readonly #store: DownloadStore;
  readonly #port: MessagePort;
  readonly #stored: boolean[];
  readonly #free: ArrayBuffer[] = [];
  #next = 0;
  #feeding = false;
  #finish: ((sha256: string) => void) | undefined;
  #fail: ((cause: unknown) => void) | undefined;
  #loaded: ((usable: boolean) => void) | undefined;
  #saved: ((state: Uint8Array<ArrayBuffer> | null) => void) | undefined;

  constructor(layout: SegmentLayout, store: DownloadStore, port: MessagePort) {
    this.#layout = layout;
    this.#store = store;
    this.#port = port;
    this.#stored = new Array<boolean>(layout.count).fill(false);
    for (let count = 0; count < BUFFERS; count += 1) this.#free.push(new ArrayBuffer(layout.segmentSizeBytes));
    port.onmessage = (event: MessageEvent<FromHasher>) => {
      const message = event.data;
      switch (message.type) {
        case "updated":
          this.#free.push(message.buffer);
          this.#feed();
          return;
        case "digest":
          this.#finish?.(message.sha256);
          return;
        case "loaded":
          this.#loaded?.(message.usable);
          return;
        case "saved":
          this.#saved?.(message.state);
      }
    };
  }

  /** Goes on where an earlier run ended; to be called before anything else, if at all. */
  async resume({ stored, front }: Kept): Promise<void> {
    if (front !== undefined) {
      const usable = new Promise<boolean>((resolve) => (this.#loaded = resolve));
      this.#send({ type: "load", state: front.state }, []);
      if (await usable) this.#next = front.segments;
    }
    stored.forEach((there, index) => {
      this.#stored[index] = there;
    });
    this.#feed();
  }

  /** How far the digest is; one call at a time. Undefined when that cannot be told, or when the hasher is closed. */
  async save(): Promise<HashedFront | undefined> {
    const segments = this.#next; // the port keeps the order: the state comes after exactly these
    const saved = new Promise<Uint8Array<ArrayBuffer> | null>((resolve) => (this.#saved = resolve));
    this.#send({ type: "save" }, []);
    const state = await saved;
    return state === null ? undefined : { segments, state };
  }

  /** A segment is in the store. */
  segmentReadable(index: number): void {
    this.#stored[index] = true;
    this.#feed();
  }

  /**
   * Waits for the digest of the whole file; to be called once, at any time.
   *
   * @returns lower-case hexadecimal.
   * @throws what the store threw when a segment could not be read back.
   */
  digest(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
      this.#feed();
    });
  }

  close(): void {
    this.#saved?.(null);
    this.#port.onmessage = null;
    this.#port.close();
  }

  #feed(): void {
    if (this.#feeding) return;
    this.#feedAll().catch((cause: unknown) => this.#fail?.(cause));
  }

  async #feedAll(): Promise<void> {
    this.#feeding = true;
    try {
      while (this.#next < this.#layout.count && this.#stored[this.#next] === true) {
        const buffer = this.#free.pop();
        if (buffer === undefined) return;
        const lengthBytes = this.#layout.lengthOf(this.#next);
        try {
          await this.#store.read(this.#layout.startOf(this.#next), new Uint8Array(buffer, 0, lengthBytes));
        } catch (cause) {
          this.#free.push(buffer); // read once more when the digest is asked for, which fails then if this does
          throw cause;
        }
        this.#next += 1;
        this.#send({ type: "update", buffer, lengthBytes }, [buffer]);
      }
      if (this.#next === this.#layout.count && this.#finish !== undefined && this.#free.length === BUFFERS) {
        this.#send({ type: "digest" }, []);
      }
    } finally {
      // In the same turn in which the loop ended: a call that comes after it must not find the flag still up.
      this.#feeding = false;
    }
  }

  #send(message: ToHasher, transfer: Transferable[]): void {
    this.#port.postMessage(message, transfer);
  }
}

/** A small file in memory. Segments are blobs, which the browser may move out of memory; joining them copies nothing. */

import type { OrderedSink } from "./ordered-store.ts";

export class MemorySink implements OrderedSink {
  readonly #blobs: Blob[] = [];

  write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#blobs.push(new Blob([bytes]));
    return Promise.resolve();
  }

  close(): Promise<Blob> {
    return Promise.resolve(new Blob(this.#blobs));
  }

  abort(): Promise<void> {
    this.#blobs.length = 0;
    return Promise.resolve();
  }
}

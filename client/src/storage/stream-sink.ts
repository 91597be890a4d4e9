/**
 * The page's end of a service worker's download (saving/save-service-worker.ts): segments go over when they are asked
 * for, one at a time, so that a slow disk, or a download that is paused in the browser's list, holds the sources up.
 */

import { StoreError } from "../wire/errors.ts";
import type { OrderedSink } from "./ordered-store.ts";

/** To the service worker, on the download's port. */
export type ToStream =
  /** The next bytes of the file, in answer to one `pull`. */
  | { readonly type: "bytes"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: "end" }
  | { readonly type: "abort" };

/** From the service worker. */
export type FromStream =
  /** The browser can take more. */
  | { readonly type: "pull" }
  /** The download was ended in the browser's list of downloads, or its service worker is gone. */
  | { readonly type: "gone" };

export class StreamSink implements OrderedSink {
  readonly #port: MessagePort;
  #pulls = 0;
  #gone = false;
  #wake: (() => void) | undefined;

  /** Takes ownership of the port. */
  constructor(port: MessagePort) {
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<FromStream>) => {
      if (data.type === "pull") this.#pulls += 1;
      else this.#gone = true;
      this.#wake?.();
    };
  }

  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    while (this.#pulls === 0 && !this.#gone) await new Promise<void>((resolve) => (this.#wake = resolve));
    if (this.#gone) throw new StoreError("save_interrupted", "The browser ended the saving of this file.");
    this.#pulls -= 1;
    const copy = bytes.slice(); // the buffer goes back to the pool; the copy moves over
    this.#send({ type: "bytes", bytes: copy }, [copy.buffer]);
  }

  close(): Promise<undefined> {
    this.#send({ type: "end" });
    return Promise.resolve(undefined);
  }

  abort(): Promise<void> {
    this.#gone = true;
    this.#wake?.();
    this.#send({ type: "abort" });
    return Promise.resolve();
  }

  #send(message: ToStream, transfer: Transferable[] = []): void {
    this.#port.postMessage(message, transfer);
  }
}

/** Cuts the bytes of one range, from a mirror or a donor, into segments and hands each on when it is whole. */

import type { RequestSink } from "../transport/source.ts";
import type { KnownFile } from "./catalogue.ts";

export class SegmentSink implements RequestSink {
  readonly #file: KnownFile;
  readonly #endByte: number;
  readonly #keep: (index: number, bytes: Uint8Array<ArrayBuffer>) => Promise<boolean>;
  #index: number;
  #bytes: Uint8Array<ArrayBuffer>;
  #filled = 0;
  #kept = 0;
  #wanted = true;
  /** Why no more was wanted, if something went wrong with what had come. */
  failure: Error | undefined;
  /** Called when no more is wanted before all has come: whoever sends the rest need not. */
  unwanted: () => void = () => undefined;

  constructor(
    file: KnownFile,
    start: number,
    end: number,
    keep: (index: number, bytes: Uint8Array<ArrayBuffer>) => Promise<boolean>,
  ) {
    this.#file = file;
    this.#endByte = file.layout.endOf(end - 1);
    this.#keep = keep;
    this.#index = start;
    this.#bytes = new Uint8Array(file.layout.lengthOf(start));
  }

  /** Segments that were kept. */
  get kept(): number {
    return this.#kept;
  }

  get missingBytes(): number {
    if (!this.#wanted) return 0;
    return Math.max(0, this.#endByte - this.#file.layout.startOf(this.#index) - this.#filled);
  }

  async room(): Promise<number> {
    if (this.#filled === this.#bytes.length && this.#wanted) {
      try {
        this.#wanted = await this.#keep(this.#index, this.#bytes);
        if (this.#wanted) this.#kept += 1;
      } catch (error) {
        this.failure = error instanceof Error ? error : new Error("unknown", { cause: error });
        this.#wanted = false;
      }
      this.#index += 1;
      this.#filled = 0;
      if (!this.#wanted) this.unwanted();
      if (this.missingBytes > 0) this.#bytes = new Uint8Array(this.#file.layout.lengthOf(this.#index));
    }
    if (this.missingBytes === 0) return 0;
    return this.#bytes.length - this.#filled;
  }

  write(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }
}

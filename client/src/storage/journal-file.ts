/** The journal of a download on disk: two slots, written in turn, each flushed before the other is touched again. */

import {
  encodeEntry,
  latestEntry,
  slotBytes,
  type HashedFront,
  type JournaledFile,
  type JournalEntry,
} from "../core/download-journal.ts";
import type { StoreHandle } from "./store-index.ts";

export class JournalFile {
  readonly #handle: StoreHandle;
  readonly #file: JournaledFile;
  #counter = 0;

  /** Takes ownership of the handle. */
  constructor(handle: StoreHandle, file: JournaledFile) {
    this.#handle = handle;
    this.#file = file;
  }

  /** What an earlier run left; later writes are newer than that. */
  read(): JournalEntry | undefined {
    const bytes = slotBytes(this.#file.layout);
    const slots = [0, 1].map((slot) => {
      const content = new Uint8Array(bytes);
      return content.subarray(0, this.#handle.read(content, { at: slot * bytes }));
    });
    const latest = latestEntry(this.#file, slots);
    this.#counter = latest?.counter ?? 0;
    return latest;
  }

  /**
   * Forgets all that was written, durably, and takes the room that it will need: written, not only claimed, so that a disk
   * which fills up can still be told what is on it.
   */
  reset(): void {
    this.#handle.truncate(0);
    this.#handle.write(new Uint8Array(2 * slotBytes(this.#file.layout)), { at: 0 });
    this.#handle.flush();
    this.#counter = 0;
  }

  /** Writes over the older slot. What `marks` claims must have been flushed before. */
  write(marks: Uint8Array<ArrayBuffer>, front: HashedFront | undefined): void {
    this.#counter += 1;
    const entry = encodeEntry(this.#file, { counter: this.#counter, marks, front });
    // A short write is a torn slot, as after a crash: the other one still counts.
    this.#handle.write(entry, { at: (this.#counter % 2) * slotBytes(this.#file.layout) });
    this.#handle.flush();
  }

  close(): void {
    this.#handle.close();
  }
}

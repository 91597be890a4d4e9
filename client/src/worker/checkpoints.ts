/**
 * When a download's store is told to make its bytes durable: after so many bytes or so much time, so that a crash costs
 * at most that much again.
 *
 * A flush makes this worker wait for the disk. Every 64 MiB that is rare enough to cost little, and the disk has to take
 * those bytes anyway.
 */

import type { HashedFront } from "../core/download-journal.ts";
import type { DownloadStore } from "../storage/download-store.ts";
import { Deadline, type Clock } from "../transport/clock.ts";

/** At most so much is fetched again after a crash, but for what was being written. */
export const CHECKPOINT_BYTES = 64 * 1024 * 1024;
export const CHECKPOINT_US = 5_000_000;

export class Checkpoints {
  readonly #store: DownloadStore;
  readonly #front: () => Promise<HashedFront | undefined>;
  readonly #clock: Clock;
  readonly #failed: (cause: unknown) => void;
  readonly #deadline: Deadline;
  /** Stored since the last checkpoint began. */
  #bytes = 0;
  #running = false;
  #closed = false;

  /**
   * @param front how far the whole file's digest is, asked for once at a time.
   * @param failed what is stored cannot be made durable.
   */
  constructor(
    store: DownloadStore,
    front: () => Promise<HashedFront | undefined>,
    clock: Clock,
    failed: (cause: unknown) => void,
  ) {
    this.#store = store;
    this.#front = front;
    this.#clock = clock;
    this.#failed = failed;
    this.#deadline = new Deadline(clock, () => {
      this.now();
    });
  }

  /** A segment of this length was stored. */
  segmentStored(lengthBytes: number): void {
    if (this.#bytes === 0) this.#arm();
    this.#bytes += lengthBytes;
    if (this.#bytes >= CHECKPOINT_BYTES) this.now();
  }

  /** Makes a checkpoint, if there is anything new. What comes while one is being made is the next one's. */
  now(): void {
    if (this.#bytes === 0 || this.#running || this.#closed) return;
    this.#running = true;
    this.#bytes = 0;
    this.#deadline.set(undefined);
    this.#make()
      .catch((cause: unknown) => {
        if (!this.#closed) this.#failed(cause);
      })
      .finally(() => {
        this.#running = false;
        if (this.#bytes >= CHECKPOINT_BYTES) this.now();
        else if (this.#bytes > 0) this.#arm(); // the deadline may have passed meanwhile, to no effect
      });
  }

  close(): void {
    this.#closed = true;
    this.#deadline.set(undefined);
  }

  #arm(): void {
    if (!this.#closed) this.#deadline.set(this.#clock.nowUs() + CHECKPOINT_US);
  }

  async #make(): Promise<void> {
    // The state first: all that it covers is written by then, and flushed with the rest.
    const front = await this.#front();
    if (!this.#closed) this.#store.checkpoint(front);
  }
}

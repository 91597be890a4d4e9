/**
 * A copy for the download folder while a file comes: what is stored leaves in the order of the file, to a download of the
 * browser's own (saving/stream.ts), so that nothing is left to be copied at the end.
 *
 * - The store stays what counts. This reads there, a segment at a time and only when the browser asks for more, and holds
 *   nobody up: a slow folder, or a download that is paused in the browser's list, is some way behind.
 * - The last segment leaves when the digest of the whole file is known to be right.
 * - Without it, or when it breaks, the file is handed over when it is complete.
 */

import type { SegmentLayout } from "../core/segment-layout.ts";
import type { DownloadStore } from "../storage/download-store.ts";
import type { OrderedSink } from "../storage/ordered-store.ts";
import { isDistributeError, type DistributeError } from "../wire/errors.ts";

export class FrontSaver {
  readonly #layout: SegmentLayout;
  readonly #store: Pick<DownloadStore, "read">;
  readonly #sink: OrderedSink;
  readonly #isStored: (index: number) => boolean;
  readonly #interrupted: (cause: DistributeError) => void;
  readonly #buffer: ArrayBuffer;
  /** The segment that leaves next. */
  #next = 0;
  #pumping = false;
  #isRight = false;
  #isGone = false;
  #ended: ((isSaved: boolean) => void) | undefined;

  /**
   * @param isStored may a segment be read from the store?
   * @param interrupted the browser or its visitor ended the download: `save_interrupted`.
   */
  constructor(
    layout: SegmentLayout,
    store: Pick<DownloadStore, "read">,
    sink: OrderedSink,
    isStored: (index: number) => boolean,
    interrupted: (cause: DistributeError) => void,
  ) {
    this.#layout = layout;
    this.#store = store;
    this.#sink = sink;
    this.#isStored = isStored;
    this.#interrupted = interrupted;
    this.#buffer = new ArrayBuffer(layout.segmentSizeBytes);
    this.advance();
  }

  /** Something was stored. */
  advance(): void {
    if (this.#pumping || this.#isGone) return;
    this.#pumping = true;
    this.#pump().catch((cause: unknown) => {
      if (this.#isGone) return;
      this.leave();
      if (isDistributeError(cause) && cause.code === "save_interrupted") this.#interrupted(cause);
    });
  }

  /**
   * The whole file is right: lets the rest leave. To be called once.
   *
   * @returns whether the browser has all of it; false when it has to be handed over.
   */
  finish(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#ended = resolve;
      this.#isRight = true;
      if (this.#isGone) resolve(false);
      else this.advance();
    });
  }

  /** Ends the browser's download, without a file; does nothing when that is complete. */
  leave(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    void this.#sink.abort();
    this.#ended?.(false);
  }

  async #pump(): Promise<void> {
    const { count } = this.#layout;
    try {
      while (this.#next < count && (this.#next < count - 1 || this.#isRight) && this.#isStored(this.#next)) {
        const bytes = new Uint8Array(this.#buffer, 0, this.#layout.lengthOf(this.#next));
        await this.#store.read(this.#layout.startOf(this.#next), bytes);
        await this.#sink.write(bytes);
        this.#next += 1;
      }
      if (this.#next < count) return;
      await this.#sink.close();
      this.#isGone = true;
      this.#ended?.(true);
    } finally {
      // In the same turn in which the loop ended: a call that comes after it must not find the flag still up.
      this.#pumping = false;
    }
  }
}

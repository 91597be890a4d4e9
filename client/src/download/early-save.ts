/**
 * A file that the browser saves while it comes (docs/decisions/0047-saved-while-it-comes.md): when the rule says that it
 * pays (core/save-ladder.ts), the site's service worker opens a download, and the worker fills it from what is stored.
 *
 * Tried once. Where it cannot be had, or the browser would ask the visitor first, the file is handed over when it is
 * complete, as everywhere else.
 */

import { leavesEarly } from "../core/save-ladder.ts";
import { openStream, type Stream } from "../saving/stream.ts";
import type { Progress } from "../worker/messages.ts";
import { canSaveNow, noteDownload } from "./handover.ts";

export class EarlySave {
  readonly #serviceWorkerUrl: string;
  readonly #name: string;
  readonly #sizeBytes: number;
  readonly #opened: (port: MessagePort) => void;
  readonly #sinceMs = performance.now();
  #wasTried = false;
  #isOver = false;
  /** Does it count as a download of this page? */
  #isNoted = false;
  #stream: Stream | undefined;

  /**
   * @param name what the file is called, without folders.
   * @param opened takes the port to the download.
   */
  constructor(serviceWorkerUrl: string, name: string, sizeBytes: number, opened: (port: MessagePort) => void) {
    this.#serviceWorkerUrl = serviceWorkerUrl;
    this.#name = name;
    this.#sizeBytes = sizeBytes;
    this.#opened = opened;
  }

  /** @param behindBytes stored beyond the first segment that is missing. */
  progressed(progress: Progress, behindBytes: number): void {
    const elapsedMs = performance.now() - this.#sinceMs;
    const conditions = { ...progress, sizeBytes: this.#sizeBytes, behindBytes, elapsedMs };
    if (this.#wasTried || !leavesEarly(conditions) || !canSaveNow()) return;
    this.#wasTried = true;
    void this.#open();
  }

  /** As a stream's; false when there is none, too. */
  runs(): boolean {
    return this.#stream?.runs() ?? false;
  }

  close(): void {
    this.#isOver = true;
    this.#stream?.close();
  }

  async #open(): Promise<void> {
    try {
      this.#stream = await openStream(this.#serviceWorkerUrl, this.#name, this.#sizeBytes, () => {
        if (this.#isOver || !canSaveNow()) return false;
        noteDownload();
        return (this.#isNoted = true);
      });
    } catch {
      if (this.#isNoted) noteDownload(-1);
      return; // not installed, not in time, or the page's policy has no room for it
    }
    if (this.#isOver) this.#stream.close();
    else this.#opened(this.#stream.port);
  }
}

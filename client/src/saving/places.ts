/** Finds the next place for a file: looks at what the browser has, asks the ladder, and opens what it says. */

import { nextRung, type Rung, type SavingConditions } from "../core/save-ladder.ts";
import type { Place } from "../storage/stored-file.ts";
import { storedFile } from "./kept-files.ts";
import { openStream, type Stream, within } from "./stream.ts";

/** A visitor who does not answer the browser's question has the file by another way. */
const ANSWER_MS = 10_000;

/** What the page or the visitor said about the place. */
export interface PlaceOptions {
  /** A file that was picked: the only place then. */
  readonly handle?: FileSystemFileHandle | undefined;
  /** Our service worker's address on this site; null when it is not installed. */
  readonly serviceWorkerUrl: string | null;
}

/** Not in lib.dom, since Chromium alone has them. */
interface WindowWithPicker {
  showSaveFilePicker?(options: { suggestedName: string }): Promise<FileSystemFileHandle>;
}
interface NavigatorWithMemory {
  readonly deviceMemory?: number;
}

/** Has this browser a dialog in which a place for a file is chosen? */
export function canPickFile(): boolean {
  return "showSaveFilePicker" in window;
}

/**
 * Opens the dialog. To be called in a click.
 *
 * @returns undefined when the visitor chose nothing, or the browser refused.
 */
export async function pickFile(name: string): Promise<FileSystemFileHandle | undefined> {
  try {
    return await (window as WindowWithPicker).showSaveFilePicker?.({ suggestedName: name });
  } catch {
    return undefined;
  }
}

/** What of a file decides where it may go. */
export interface PlacedFile {
  /** Its SHA-256, hexadecimal. */
  readonly fileId: string;
  readonly sizeBytes: number;
}

/** The places for one file, one after another. */
export class Places {
  readonly #file: PlacedFile;
  readonly #name: string;
  readonly #options: PlaceOptions;
  readonly #signal: AbortSignal;
  readonly #refused = new Set<Rung>();
  #last: Rung | undefined;
  /** The stream of the place that was given last, if it is one. */
  stream: Stream | undefined;

  /**
   * @param name what the file is to be called, without folders.
   * @param signal when it is aborted, nobody is asked for anything any more.
   */
  constructor(file: PlacedFile, name: string, options: PlaceOptions, signal: AbortSignal) {
    this.#file = file;
    this.#name = name;
    this.#options = options;
    this.#signal = signal;
  }

  /**
   * The next place; the one before was no good, if there was one. Undefined: there is none that needs no click.
   *
   * @throws the signal's reason.
   */
  async next(): Promise<Place | undefined> {
    if (this.#last !== undefined) this.#refused.add(this.#last);
    for (;;) {
      const rung = nextRung(await this.#conditions());
      this.#signal.throwIfAborted();
      this.#last = rung;
      if (rung === undefined) return undefined;
      const place = await this.#open(rung);
      if (place !== undefined) return place;
      this.#refused.add(rung);
    }
  }

  /** The same place once more, which was not used after all. */
  async again(place: Place): Promise<Place | undefined> {
    return place.kind === "stream" ? this.#open("stream") : place;
  }

  async #open(rung: Rung): Promise<Place | undefined> {
    switch (rung) {
      case "opfs":
      case "memory":
        return { kind: rung };
      case "persist":
        // Firefox asks the visitor; what was refused for want of room is tried once more.
        if (await within(ANSWER_MS, navigator.storage.persist()).catch(() => false)) this.#refused.delete("opfs");
        return undefined;
      case "file": {
        const handle = this.#options.handle ?? (await pickFile(this.#name));
        return handle && { kind: "file", handle };
      }
      case "stream":
        try {
          this.stream = await openStream(this.#options.serviceWorkerUrl ?? "", this.#name, this.#file.sizeBytes);
          if (this.#signal.aborted) this.stream.close(); // nobody is going to use it
          return { kind: "stream", port: this.stream.port };
        } catch {
          return undefined;
        }
    }
  }

  async #conditions(): Promise<SavingConditions> {
    const { handle, serviceWorkerUrl } = this.#options;
    const storage = navigator.storage;
    const { fileId, sizeBytes } = this.#file;
    const [estimate, persisted, stored] = await Promise.all([
      storage.estimate().catch(() => undefined),
      storage.persisted().catch(() => true),
      storedFile(fileId).catch(() => undefined), // it goes this very moment
    ]);
    const { quota, usage } = estimate ?? {};
    return {
      sizeBytes,
      // What is there of the file already counts as used, at its whole size, and is gone on with or replaced.
      roomBytes: quota === undefined ? null : quota - (usage ?? 0) + (stored?.size ?? 0),
      canPersist: !persisted,
      chosen: handle !== undefined,
      canPick: canPickFile() && navigator.userActivation.isActive,
      hasStream: serviceWorkerUrl !== null && "serviceWorker" in navigator,
      smallMemory: ((navigator as NavigatorWithMemory).deviceMemory ?? 8) <= 4,
      refused: this.#refused,
    };
  }
}

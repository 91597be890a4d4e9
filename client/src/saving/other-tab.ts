/** A file that another tab of this site is downloading: its progress is followed, and its end waited for. */

import { downloadLock } from "../storage/names.ts";
import type { Progress } from "../worker/messages.ts";
import { finishedFile } from "./kept-files.ts";

/** From the end of a download to its being handed over it is a moment, unless a click is waited for. */
const SAVED_MS = 1_000;

/** Tells the other tabs how this one's download of a file goes. */
export class Broadcast {
  readonly #channel: BroadcastChannel;

  constructor(fileId: string) {
    this.#channel = new BroadcastChannel(downloadLock(fileId));
  }

  progressed(progress: Progress): void {
    this.#channel.postMessage(progress);
  }

  close(): void {
    this.#channel.close();
  }
}

/** Tells the other tabs that the file was handed to the browser's downloads. */
export function tellSaved(fileId: string): void {
  const channel = new BroadcastChannel(downloadLock(fileId));
  channel.postMessage("saved");
  channel.close();
}

/**
 * Waits until no other tab has this file.
 *
 * @param sinceMs what was finished before does not count; in milliseconds since 1970.
 * @returns the file, and whether it was saved there; undefined when it was not finished.
 * @throws the signal's reason when it was aborted meanwhile.
 */
export async function waitForOther(
  fileId: string,
  sinceMs: number,
  signal: AbortSignal,
  progressed: (progress: Progress) => void,
): Promise<{ readonly blob: File; readonly saved: boolean } | undefined> {
  const channel = new BroadcastChannel(downloadLock(fileId));
  const told = new Promise<boolean>((resolve) => {
    channel.onmessage = ({ data }: MessageEvent<Progress | "saved">) => {
      if (data === "saved") resolve(true);
      else progressed(data); // of this origin, by the class above
    };
  });
  try {
    await navigator.locks.request(downloadLock(fileId), { signal }, () => undefined);
    const blob = await finishedFile(fileId, sinceMs);
    if (blob === undefined) return undefined;
    const late = new Promise<boolean>((resolve) => setTimeout(resolve, SAVED_MS, false));
    return { blob, saved: await Promise.race([told, late]) };
  } finally {
    channel.close();
  }
}

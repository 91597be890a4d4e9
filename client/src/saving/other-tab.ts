/** A file that another tab of this site is downloading: its progress is followed, and its end waited for. */

import { downloadLock } from "../storage/names.ts";
import type { Progress } from "../worker/messages.ts";

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

/**
 * Waits until no other tab has this file.
 *
 * @throws the signal's reason when it was aborted meanwhile.
 */
export async function waitForOther(
  fileId: string,
  signal: AbortSignal,
  progressed: (progress: Progress) => void,
): Promise<void> {
  const channel = new BroadcastChannel(downloadLock(fileId));
  channel.onmessage = ({ data }: MessageEvent<Progress>) => {
    progressed(data); // of this origin, by the class above
  };
  try {
    await navigator.locks.request(downloadLock(fileId), { signal }, () => undefined);
  } finally {
    channel.close();
  }
}

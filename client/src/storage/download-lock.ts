/**
 * One download of a file at a time and browser profile, whichever tab it runs in.
 *
 * A Web Lock, not only the data file's exclusive handle: it is held from before the first file is opened until the last
 * one is removed, it ends with its worker however that ends, and a tab that holds one is not frozen in the background.
 */

import { StoreError } from "../wire/errors.ts";
import { downloadLock } from "./names.ts";

/** A page that is reloaded, or a download that is cancelled, lets go within this time. */
const WAIT_MS = 1_000;

/**
 * Takes the lock.
 *
 * @returns what gives it back.
 * @throws StoreError `store_in_use` when another tab keeps it.
 */
export async function lockDownload(fileId: string, locks: LockManager, waitMs = WAIT_MS): Promise<() => void> {
  const signal = AbortSignal.timeout(waitMs);
  try {
    return await new Promise<() => void>((resolve, reject) => {
      locks
        .request(downloadLock(fileId), { signal }, () => new Promise<void>((release) => resolve(release)))
        .catch(reject);
    });
  } catch (cause) {
    if (signal.aborted) throw inUse(cause);
    // The browser gives this page no locks; the data file's exclusive handle still keeps others out.
    return () => undefined;
  }
}

/** The error of a download that runs elsewhere. */
export function inUse(cause: unknown): StoreError {
  return new StoreError("store_in_use", "This file is being downloaded in another tab of this site.", { cause });
}

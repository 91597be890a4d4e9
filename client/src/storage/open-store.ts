/**
 * The ladder (docs/browser-facts.md, Storage): the private file system; where that is not to be had and the file is small,
 * memory; else nothing, and the plain link is followed.
 */

import type { Sha256 } from "../core/verified.ts";
import { StoreError } from "../wire/errors.ts";
import type { DownloadStore, StoreTarget } from "./download-store.ts";
import { MEMORY_BYTES_MAX, MemoryStore } from "./memory-store.ts";
import { OpfsStore, type StoreBrowser } from "./opfs-store.ts";

/**
 * Opens the best store that the browser has for a file.
 *
 * @throws {@link StoreError} `store_in_use` when another tab writes this file, `quota_exceeded` when there is no room.
 */
export async function openStore(target: StoreTarget, sha256: Sha256, browser: StoreBrowser): Promise<DownloadStore> {
  let problem: StoreError;
  try {
    return await OpfsStore.open(target, sha256, browser);
  } catch (cause) {
    problem = asStoreError(cause);
  }
  // In use: a second copy in memory would take the room twice and save nobody time.
  if (problem.code === "store_in_use" || target.layout.sizeBytes > MEMORY_BYTES_MAX) throw problem;
  return new MemoryStore(target.layout);
}

function asStoreError(cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  // Private windows of Firefox (SecurityError), storage blocked by the user, or no such function.
  return new StoreError("store_unreadable", "The browser gives this site no storage.", { cause });
}

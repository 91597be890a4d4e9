/**
 * The ladder (docs/browser-facts.md, Storage): the private file system; where that is not to be had and the file is small,
 * memory; else nothing, and the plain link is followed.
 */

import type { SegmentLayout } from "../core/segment-layout.ts";
import { StoreError } from "../wire/errors.ts";
import type { DownloadStore } from "./download-store.ts";
import { MEMORY_BYTES_MAX, MemoryStore } from "./memory-store.ts";
import { OpfsStore } from "./opfs-store.ts";

/**
 * Opens the best store that the browser has for a file.
 *
 * @param fileId names the data file.
 * @throws {@link StoreError} `store_in_use` when another tab writes this file, `quota_exceeded` when there is no room.
 */
export async function openStore(
  fileId: string,
  layout: SegmentLayout,
  storage: StorageManager,
): Promise<DownloadStore> {
  let problem: StoreError;
  try {
    return await OpfsStore.open(fileId, layout, storage);
  } catch (cause) {
    problem = asStoreError(cause);
  }
  // In use: a second copy in memory would take the room twice and save nobody time.
  if (problem.code === "store_in_use" || layout.sizeBytes > MEMORY_BYTES_MAX) throw problem;
  return new MemoryStore(layout);
}

function asStoreError(cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  if (cause instanceof DOMException && cause.name === "NoModificationAllowedError") {
    return new StoreError("store_in_use", "This file is being downloaded in another tab.", { cause });
  }
  // Private windows of Firefox (SecurityError), storage blocked by the user, or no such function.
  return new StoreError("store_unreadable", "The browser gives this site no storage.", { cause });
}

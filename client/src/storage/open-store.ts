/** From the place that the page chose (core/save-ladder.ts) to the store that writes there. */

import type { Sha256 } from "../core/verified.ts";
import { StoreError } from "../wire/errors.ts";
import { lockDownload } from "./download-lock.ts";
import type { DownloadStore, StoreTarget } from "./download-store.ts";
import { openFileSink } from "./file-sink.ts";
import { MemorySink } from "./memory-sink.ts";
import { OpfsStore, type StoreBrowser } from "./opfs-store.ts";
import { OrderedStore, type OrderedSink } from "./ordered-store.ts";
import type { Place } from "./stored-file.ts";
import { StreamSink } from "./stream-sink.ts";

/**
 * Opens the store of a file, whose lock it holds until the store ends.
 *
 * @throws {@link StoreError} `store_in_use` when another tab has this file, `quota_exceeded` when there is no room,
 *   `store_unreadable` when the browser has no such place.
 */
export async function openStore(
  target: StoreTarget,
  sha256: Sha256,
  browser: StoreBrowser,
  place: Place,
): Promise<DownloadStore> {
  const unlock = await lockDownload(target.fileId, browser.locks);
  try {
    return await openPlace(target, sha256, browser, place, unlock);
  } catch (cause) {
    unlock();
    if (cause instanceof StoreError) throw cause;
    // Private windows of Firefox (SecurityError), storage blocked by the user, or no such function.
    throw new StoreError("store_unreadable", "The browser gives this site no storage.", { cause });
  }
}

async function openPlace(
  target: StoreTarget,
  sha256: Sha256,
  browser: StoreBrowser,
  place: Place,
  unlock: () => void,
): Promise<DownloadStore> {
  if (place.kind === "opfs") return OpfsStore.open(target, sha256, browser, unlock);
  const sink = await openSink(place);
  return new OrderedStore(target.layout, sink, await OpfsStore.reopen(target, sha256, browser), unlock);
}

async function openSink(place: Exclude<Place, { kind: "opfs" }>): Promise<OrderedSink> {
  switch (place.kind) {
    case "memory":
      return new MemorySink();
    case "file":
      return openFileSink(place.handle);
    case "stream":
      return new StreamSink(place.port);
  }
}

/**
 * From the browser's private storage to the download folder: an ordinary download of a `blob:` address, which the browser
 * copies from disk to disk with flat memory.
 *
 * - Nothing tells when the copy is complete, so the stored file stays for "save again" until another day
 *   (storage/opfs-store.ts) and the address is not taken back soon.
 * - A click long ago will do. But Chromium asks before a page's second download since the last click or key, and a
 *   question that is not answered with yes blocks all that come later: then a click is waited for (core/save-ladder.ts).
 */

import { mayHandOver } from "../core/save-ladder.ts";
import { canPickFile } from "../saving/places.ts";
import type { StoredFile } from "../storage/stored-file.ts";

/** Long enough for the largest copy to have begun; a begun one goes on without the address. */
const REVOKE_AFTER_MS = 10 * 60 * 1000;

/** Downloads that this page began since the visitor's last click or key; undefined: none at all, and nobody counts. */
let sinceGesture: number | undefined;

/** The stored file as a `File` or `Blob`; no bytes are read. */
export async function storedBlob(stored: Exclude<StoredFile, { kind: "delivered" }>): Promise<Blob> {
  if (stored.kind === "memory") return stored.blob;
  const [name, ...folders] = [...stored.path].reverse();
  let folder = await navigator.storage.getDirectory();
  for (const part of folders.reverse()) folder = await folder.getDirectoryHandle(part);
  const handle = await folder.getFileHandle(name ?? "");
  return handle.getFile();
}

/** Would the browser take a download now without asking? Chromium's dialog for files tells who asks. */
export function canSaveNow(): boolean {
  return mayHandOver({ asksBeforeSecond: canPickFile(), sinceGesture: sinceGesture ?? 0 });
}

/**
 * This page begins a download: by a click of its own, in a frame, or by following a link.
 *
 * @param count -1: the one that was noted did not begin.
 */
export function noteDownload(count: 1 | -1 = 1): void {
  if (sinceGesture === undefined) {
    for (const gesture of ["pointerdown", "keydown"]) {
      addEventListener(gesture, () => (sinceGesture = 0), { capture: true, passive: true });
    }
  }
  sinceGesture = Math.max(0, (sinceGesture ?? 0) + count); // a click may have come in between
}

/** Has the browser save a blob under a name, as a click on a link with `download` does. */
export function saveBlob(blob: Blob, name: string): void {
  noteDownload();
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.rel = "noopener";
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, REVOKE_AFTER_MS);
}

/** The last part of a manifest's name, which may have folders. */
export function baseName(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

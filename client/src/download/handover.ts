/**
 * From the browser's private storage to the download folder: an ordinary download of a `blob:` address, which the browser
 * copies from disk to disk with flat memory.
 *
 * Nothing tells when the copy is complete, so the stored file stays for "save again" until another day
 * (storage/opfs-store.ts) and the address is not taken back soon.
 */

import type { StoredFile } from "../storage/stored-file.ts";

/** Long enough for the largest copy to have begun; a begun one goes on without the address. */
const REVOKE_AFTER_MS = 10 * 60 * 1000;

/** The stored file as a `File` or `Blob`; no bytes are read. */
export async function storedBlob(stored: StoredFile): Promise<Blob> {
  if (stored.kind === "memory") return stored.blob;
  const [name, ...folders] = [...stored.path].reverse();
  let folder = await navigator.storage.getDirectory();
  for (const part of folders.reverse()) folder = await folder.getDirectoryHandle(part);
  const handle = await folder.getFileHandle(name ?? "");
  return handle.getFile();
}

/** Has the browser save a blob under a name, as a click on a link with `download` does. */
export function saveBlob(blob: Blob, name: string): void {
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

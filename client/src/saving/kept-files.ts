/**
 * What this site's downloads left in the private file system: unfinished ones, which are listed and can go on, and
 * finished ones, which stay for as long as a page offers to save them.
 */

import { journalSummary } from "../core/download-journal.ts";
import {
  DOWNLOADS_PATH,
  downloadLock,
  finishedAtMs,
  keptLock,
  lastFinished,
  namesIn,
  Suffix,
} from "../storage/names.ts";
import { StoreError } from "../wire/errors.ts";

/** A journal is written every 64 MiB: that so many reads in turn meet a write is the disk's fault, and the list has no figure then. */
const READS_MAX = 3;

/** One file of the list. */
export interface UnfinishedDownload {
  /** SHA-256 of the whole file, hexadecimal: `download(fileId)` goes on with it. */
  readonly fileId: string;
  /** As the publisher signed it; null when that was lost. */
  readonly name: string | null;
  /** The link that was clicked; null when it was asked for by its id. */
  readonly href: string | null;
  readonly sizeBytes: number;
  /** Durable bytes; what was written since the last checkpoint comes on top. */
  readonly storedBytes: number;
  /** When something was written last, in milliseconds since 1970. */
  readonly changedAtMs: number;
  /** Is it on its way in some tab right now? */
  readonly running: boolean;
}

/** All unfinished downloads of this site, the one that changed last first. Empty where there is no such storage. */
export async function listUnfinished(): Promise<readonly UnfinishedDownload[]> {
  const folder = await downloads();
  if (folder === undefined) return [];
  const held = await heldLocks();
  const found: UnfinishedDownload[] = [];
  for await (const name of folder.keys()) {
    const [fileId = ""] = name.split(".");
    const journal = await fileOf(folder, fileId + Suffix.journal);
    // A finished file with a journal is one whose digest was never compared.
    const isUnfinished = name.endsWith(Suffix.data) || (name.endsWith(Suffix.finished) && journal !== undefined);
    const data = isUnfinished ? await fileOf(folder, name) : undefined;
    if (data === undefined) continue;
    const about = readAbout(await contentOf(folder, fileId + Suffix.about, (file) => file.text()));
    const summary = await contentOf(folder, fileId + Suffix.journal, (file) => file.arrayBuffer());
    found.push({
      fileId,
      ...about,
      sizeBytes: data.size,
      storedBytes: summary === undefined ? 0 : journalSummary(new Uint8Array(summary)),
      changedAtMs: Math.max(data.lastModified, journal?.lastModified ?? 0),
      running: held.has(downloadLock(fileId)),
    });
  }
  return found.sort((left, right) => right.changedAtMs - left.changedAtMs);
}

/**
 * Removes an unfinished download, and what was finished of the same file, unless a page waits to save it.
 *
 * @throws StoreError `store_in_use` while a tab downloads it.
 */
export async function deleteUnfinished(fileId: string): Promise<void> {
  const folder = await downloads();
  await navigator.locks.request(downloadLock(fileId), { ifAvailable: true }, async (lock) => {
    if (lock === null)
      throw new StoreError("store_in_use", "This file is being downloaded in another tab of this site.");
    const names: string[] = [];
    const held = await heldLocks();
    for await (const name of folder?.keys() ?? [])
      if (name.startsWith(`${fileId}.`) && !held.has(keptLock(name))) names.push(name);
    // A journal must not outlive what it speaks of.
    const journal = fileId + Suffix.journal;
    names.sort((left, right) => Number(right === journal) - Number(left === journal));
    for (const name of names) await folder?.removeEntry(name).catch(() => undefined);
  });
}

/**
 * The finished file that another tab left not earlier than that, if there is one. Where its journal is still there, that
 * tab ended before the digest of the whole was compared, and it does not count.
 */
export async function finishedFile(fileId: string, sinceMs: number): Promise<File | undefined> {
  const folder = await downloads();
  if (folder !== undefined && (await fileOf(folder, fileId + Suffix.journal)) !== undefined) return undefined;
  return newestFinished(folder, fileId, sinceMs);
}

async function newestFinished(folder: FileSystemDirectoryHandle | undefined, fileId: string, sinceMs: number) {
  if (folder === undefined) return undefined;
  const name = lastFinished(await namesIn(folder), fileId);
  return name !== undefined && finishedAtMs(name) >= sinceMs ? fileOf(folder, name) : undefined;
}

/** A file of this site's downloads as it is now, on its way or finished; undefined when it is gone. */
export async function storedFile(fileId: string): Promise<File | undefined> {
  const folder = await downloads();
  return (folder && (await fileOf(folder, fileId + Suffix.data))) ?? newestFinished(folder, fileId, 0);
}

/** Keeps a finished file from being removed for want of room. @returns what lets it go. */
export function holdFinished(name: string): () => void {
  const ended = new AbortController();
  const held = new Promise<void>((resolve) => {
    ended.signal.addEventListener("abort", () => {
      resolve();
    });
  });
  // A browser without locks removes nothing early either: it cannot tell who holds what.
  navigator.locks.request(keptLock(name), { mode: "shared" }, () => held).catch(() => undefined);
  return () => {
    ended.abort();
  };
}

/** Removes a finished file. */
export async function removeFinished(name: string): Promise<void> {
  await (await downloads())?.removeEntry(name).catch(() => undefined);
}

async function heldLocks(): Promise<ReadonlySet<string | undefined>> {
  return new Set((await navigator.locks.query()).held?.map((lock) => lock.name));
}

async function downloads(): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    let folder = await navigator.storage.getDirectory();
    for (const name of DOWNLOADS_PATH) folder = await folder.getDirectoryHandle(name);
    return folder;
  } catch {
    return undefined; // no storage, or nothing was ever downloaded
  }
}

/** A `File` that is written after it was taken cannot be read any more: it is taken anew, as another tab may be at it. */
async function contentOf<Content>(
  folder: FileSystemDirectoryHandle,
  name: string,
  read: (file: File) => Promise<Content>,
): Promise<Content | undefined> {
  for (let left = READS_MAX; left > 0; left -= 1) {
    const file = await fileOf(folder, name);
    if (file === undefined) return undefined;
    try {
      return await read(file);
    } catch {
      // written meanwhile
    }
  }
  return undefined;
}

async function fileOf(folder: FileSystemDirectoryHandle, name: string): Promise<File | undefined> {
  try {
    return await (await folder.getFileHandle(name)).getFile();
  } catch {
    return undefined; // gone meanwhile
  }
}

function readAbout(text: string | undefined): Pick<UnfinishedDownload, "name" | "href"> {
  try {
    // The page itself may have written anything there.
    const { name, href } = JSON.parse(text ?? "{}") as { readonly name?: unknown; readonly href?: unknown };
    return { name: typeof name === "string" ? name : null, href: typeof href === "string" ? href : null };
  } catch {
    return { name: null, href: null };
  }
}

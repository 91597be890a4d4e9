/** Names that pages and workers of one site agree on: folders and files of the private file system, and locks. */

/** Folder of all downloads in the origin's private file system. */
export const DOWNLOADS_PATH: readonly string[] = ["distribute-io", "downloads"];

/** What a file in that folder is, by the end of its name; the name begins with the file's id. */
export const Suffix = {
  /** The data of an unfinished download; its journal; its name and link (`AboutFile` as JSON). */
  data: ".part",
  journal: ".journal",
  about: ".about",
  /** A finished file, after the time at which it was finished, in milliseconds since 1970. */
  finished: ".done",
} as const;

/** All names in a folder. */
export async function namesIn(folder: FileSystemDirectoryHandle): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const name of folder.keys()) names.push(name);
  return names;
}

/** Of the names in that folder the one of the file that was finished last with this id; undefined when there is none. */
export function lastFinished(names: readonly string[], fileId: string): string | undefined {
  const finished = names.filter((name) => name.startsWith(`${fileId}.`) && name.endsWith(Suffix.finished));
  return finished.sort((left, right) => finishedAtMs(left) - finishedAtMs(right)).at(-1);
}

/** When a file of that name was finished, in milliseconds since 1970. */
export function finishedAtMs(name: string): number {
  return Number(name.split(".")[1]);
}

/** The lock of a download: held by the tab that downloads the file. */
export function downloadLock(fileId: string): string {
  return `distribute-io:download:${fileId}`;
}

/** The lock of a finished file which was not handed over yet: held by its page. */
export function keptLock(name: string): string {
  return `distribute-io:kept:${name}`;
}

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

/** The lock of a download: held by the tab that downloads the file. */
export function downloadLock(fileId: string): string {
  return `distribute-io:download:${fileId}`;
}

/** The lock of a finished file which was not handed over yet: held by its page. */
export function keptLock(name: string): string {
  return `distribute-io:kept:${name}`;
}

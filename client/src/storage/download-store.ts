/**
 * Where a download's segments are kept until the whole file is handed over; one interface, and a ladder of stores behind it
 * (open-store.ts).
 *
 * Rules for all of them:
 * - Only a {@link VerifiedSegment} is ever written.
 * - A store that was opened has room for the whole file.
 */

import type { HashedFront, JournaledFile } from "../core/download-journal.ts";
import type { VerifiedSegment } from "../core/verified.ts";
import type { StoredFile } from "./stored-file.ts";

/** The file that a store is for. */
export interface StoreTarget extends JournaledFile {
  /** The segment list, whose digest was checked: 32 bytes for each segment. */
  readonly segmentList: Uint8Array<ArrayBuffer>;
  readonly about: AboutFile;
}

/** What an earlier run left. */
export interface Kept {
  /** For each segment, whether it is there and right. */
  readonly stored: readonly boolean[];
  /** The digest of the first segments, all of which are stored. */
  readonly front: HashedFront | undefined;
}

/** What is written beside the data for those who come later, most of all for the list of unfinished downloads. */
export interface AboutFile {
  /** As the publisher signed it. */
  readonly name: string;
  /** The link that was clicked; null when the file was asked for by its id. */
  readonly href: string | null;
}

/** A place for one file. Used by one download; every call after `finish`, `suspend` or `discard` is a bug. */
export interface DownloadStore {
  /** What was there when the store was opened. */
  readonly kept: Kept;
  /**
   * Writes a segment to its place; from then on it can be read.
   *
   * @returns where writing takes time, what ends when the segment's memory may be used again.
   * @throws {@link StoreError} when it was not written in full.
   */
  write(segment: VerifiedSegment): void | Promise<void>;
  /** Reads back `into.byteLength` bytes that were written before. @throws {@link StoreError} */
  read(startByte: number, into: Uint8Array<ArrayBuffer>): Promise<void>;
  /**
   * Makes what was written so far survive a crash.
   *
   * @param front as far as it is known; undefined: the one of the last checkpoint stands.
   * @throws {@link StoreError} when what was written cannot be made durable.
   */
  checkpoint(front: HashedFront | undefined): void;
  /**
   * Ends writing: the file may be handed over from now on, and is still read here until `finish` or `discard`. Only in
   * stores where a file that was finished can still be taken back.
   *
   * @throws {@link StoreError} or what the browser throws, and nothing was handed over.
   */
  handOver?(): Promise<StoredFile>;
  /** Makes all that was written last, and ends writing. */
  finish(): Promise<StoredFile>;
  /** Keeps what was written for a later run, where the store can. */
  suspend(): Promise<void>;
  /** Forgets what was written. */
  discard(): Promise<void>;
}

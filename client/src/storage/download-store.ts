/**
 * Where a download's segments are kept until the whole file is handed over; one interface, and a ladder of stores behind it
 * (open-store.ts).
 *
 * Rules for all of them:
 * - Only a {@link VerifiedSegment} is ever written.
 * - A store that was opened has room for the whole file.
 */

import type { VerifiedSegment } from "../core/verified.ts";
import type { StoredFile } from "./stored-file.ts";

/** A place for one file. Used by one download; every call after `finish` or `discard` is a bug. */
export interface DownloadStore {
  /** Writes a segment to its place. @throws {@link StoreError} when it was not written in full. */
  write(segment: VerifiedSegment): void;
  /** Reads back `into.byteLength` bytes that were written before. @throws {@link StoreError} */
  read(startByte: number, into: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Makes all that was written last, and ends writing. */
  finish(): Promise<StoredFile>;
  /** Forgets what was written. */
  discard(): Promise<void>;
}

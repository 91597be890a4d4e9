/**
 * What a download worker needs of a source of bytes, be it a mirror or a donor.
 *
 * The scheduler decides what is asked of whom (spec/scheduler.md); a source does as it is told and reports. Request ids
 * are the scheduler's. Offsets are bytes of the file, ranges half-open.
 */

import type { ErrorCode } from "../wire/messages.ts";

/** Where a request's bytes go. Given with each request, so that a source knows nothing of segments' memory. */
export interface RequestSink {
  /**
   * How many bytes may come now; waits for memory (back-pressure). 0 means that nothing more is wanted: all is there, or
   * the range was shortened to what is there. A source that has its own flow control need not ask.
   */
  room(): Promise<number>;
  /** Takes the next bytes of the range, in order, by copying them; bytes beyond the range's end are dropped. */
  write(bytes: Uint8Array): void;
  /** Bytes that are still wanted; shrinks when the range is shortened. */
  readonly missingBytes: number;
}

/** How a request ended. Exactly one of these, once, unless it was cancelled: then none. */
export interface RequestOutcome {
  finished(): void;
  /**
   * @param permanent true when this source will never deliver this file.
   * @param retryAfterUs the source's own word when it may be asked again, in microseconds from now.
   */
  failed(code: ErrorCode, permanent: boolean, retryAfterUs: number | null): void;
}

/** One mirror or one donor. */
export interface Source {
  /** Asks for `[startByte, endByte)`. */
  start(requestId: number, startByte: number, endByte: number, sink: RequestSink, outcome: RequestOutcome): void;
  /** Nothing from `endByte` on is wanted; the request finishes there. Unknown ids are ignored. */
  shorten(requestId: number, endByte: number): void;
  /** Ends a request; nothing more comes of it. Unknown ids are ignored. */
  cancel(requestId: number): void;
  /** Ends all requests and whatever connection there is. */
  close(): void;
}

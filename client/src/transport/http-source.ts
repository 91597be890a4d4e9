/**
 * One byte range from one mirror, by `fetch`, with bounded memory.
 *
 * Rules:
 * - `cache: "no-store"` always: Chromium's cache otherwise serialises the ranges of one URL (docs/browser-facts.md).
 * - `Range: bytes=a-b` and no other header: anything more makes a CORS preflight, which most mirrors fail. No cookies, no
 *   referrer.
 * - The body is read into one reused buffer and handed on as it comes; while the sink has no room nothing is read, so
 *   TCP pushes back on the mirror.
 * - Nothing more than what was asked is handed on. What the mirror does wrong becomes a {@link SourceError} with a
 *   stable code, once, here; aborting by the signal is no error and ends with `"aborted"`.
 *
 * What this does not do: deadlines, retries, choosing. The scheduler does (spec/scheduler.md).
 */

import { SourceError } from "../wire/errors.ts";

/** Read buffer of one request. A read brings at most what the browser has at hand; half as much cost a tenth more CPU. */
export const READ_BYTES_MAX = 1_048_576;

/** Takes the bytes of one range in order. */
export interface RangeSink {
  /**
   * How many bytes may come now. Waits for room (back-pressure); 0 means that nothing more is wanted: the range is
   * complete, or was shortened to what is there.
   */
  room(): Promise<number>;
  /** Takes bytes by copying them. At most {@link RangeSink.room} of them. */
  write(bytes: Uint8Array): void;
  /** Bytes that are still wanted; shrinks when the range is shortened. */
  readonly missingBytes: number;
}

/** What to fetch. */
export interface HttpRange {
  readonly url: string;
  /** First byte. */
  readonly startByte: number;
  /** One past the last byte; above `startByte`. */
  readonly endByte: number;
  /** The size that the whole file has by its manifest; another one means that the mirror holds another file. */
  readonly fileSizeBytes: number;
}

/** The function that fetches; `fetch` itself outside tests. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/**
 * Fetches one range into `sink`.
 *
 * @returns `"complete"` when the sink wants nothing more, `"aborted"` when the signal said so.
 * @throws {@link SourceError} when the mirror failed, before or in the middle of the body. What was written until then
 *   stays written.
 */
export async function fetchRange(
  range: HttpRange,
  sink: RangeSink,
  signal: AbortSignal,
  fetchFunction: Fetch,
): Promise<"complete" | "aborted"> {
  // Our own controller besides the caller's signal: leaving the body early must close the connection, too.
  const stop = new AbortController();
  const forward = () => {
    stop.abort();
  };
  signal.addEventListener("abort", forward, { once: true });
  try {
    if (signal.aborted) return "aborted";
    const response = await fetchFunction(range.url, {
      cache: "no-store",
      credentials: "omit",
      headers: { Range: `bytes=${range.startByte}-${range.endByte - 1}` },
      mode: "cors",
      redirect: "follow",
      referrerPolicy: "no-referrer",
      signal: stop.signal,
    });
    checkAnswer(response, range);
    await readBody(response, sink);
    return "complete";
  } catch (cause) {
    if (signal.aborted) return "aborted";
    if (cause instanceof SourceError) throw cause;
    throw new SourceError("mirror_unreachable", "The mirror did not answer, or the browser may not read its answer.", {
      cause,
    });
  } finally {
    signal.removeEventListener("abort", forward);
    stop.abort();
  }
}

/** Reads until the sink wants nothing more. @throws {@link SourceError} `mirror_truncated` when the body ends before. */
async function readBody(response: Response, sink: RangeSink): Promise<void> {
  if (response.body === null) throw new SourceError("mirror_truncated", "The mirror sent no body.");
  const read = reader(response.body);
  let started = false;
  for (;;) {
    const room = await sink.room();
    if (room === 0) return;
    let bytes: Uint8Array | undefined;
    try {
      bytes = await read(room);
    } catch (cause) {
      if (!started) throw cause;
      throw new SourceError("mirror_truncated", "The connection to the mirror broke.", { cause });
    }
    if (bytes === undefined) {
      if (sink.missingBytes === 0) return;
      throw new SourceError("mirror_truncated", "The mirror ended the answer early.");
    }
    started = true;
    // The range may have been shortened while this read was under way.
    sink.write(bytes.byteLength > sink.missingBytes ? bytes.subarray(0, sink.missingBytes) : bytes);
  }
}

/** Reads at most `room` bytes; undefined at the end of the body. */
type BoundedRead = (room: number) => Promise<Uint8Array | undefined>;

/**
 * A bounded reader of a body: BYOB into one reused buffer (Chromium 89, Firefox 102, Safari 26.4), else the default
 * reader, whose chunks are the browser's own and are handed on in slices.
 */
function reader(body: ReadableStream<Uint8Array<ArrayBuffer>>): BoundedRead {
  let byob: ReadableStreamBYOBReader;
  try {
    byob = body.getReader({ mode: "byob" });
  } catch {
    return chunkReader(body.getReader());
  }
  let buffer = new ArrayBuffer(READ_BYTES_MAX);
  return async (room) => {
    const { value, done } = await byob.read(new Uint8Array(buffer, 0, Math.min(room, READ_BYTES_MAX)));
    if (value !== undefined) buffer = value.buffer;
    return done ? undefined : value;
  };
}

function chunkReader(chunks: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>): BoundedRead {
  let rest: Uint8Array | undefined;
  return async (room) => {
    if (rest === undefined) {
      const { value, done } = await chunks.read();
      if (done) return undefined;
      rest = value;
    }
    const bytes = rest.subarray(0, room);
    rest = bytes.byteLength < rest.byteLength ? rest.subarray(bytes.byteLength) : undefined;
    return bytes;
  };
}

/**
 * Judges status and headers of the answer to a range request (RFC 9110, sections 14.4 and 15.3.7).
 *
 * Without `Access-Control-Expose-Headers` a page sees only `Content-Length` and `Content-Type`: headers that cannot be
 * seen are not asked for, the digests decide.
 *
 * @throws {@link SourceError} with the reason when this is not the range that was asked for.
 */
export function checkAnswer(response: Response, range: HttpRange): void {
  const lengthBytes = decimal(response.headers.get("Content-Length"));
  if (response.status === 200) {
    const wholeFileAsked = range.startByte === 0 && range.endByte === range.fileSizeBytes;
    if (wholeFileAsked && (lengthBytes === undefined || lengthBytes === range.fileSizeBytes)) return;
    if (lengthBytes !== undefined && lengthBytes !== range.fileSizeBytes) {
      throw new SourceError("mirror_file_changed", "The mirror holds a file of another size.");
    }
    throw new SourceError("mirror_ignores_range", "The mirror sends the whole file where a range was asked.");
  }
  if (response.status === 206) {
    checkContentRange(response.headers.get("Content-Range"), range);
    if (lengthBytes !== undefined && lengthBytes !== range.endByte - range.startByte) {
      throw new SourceError("mirror_wrong_range", "The mirror sent another range than was asked.");
    }
    return;
  }
  if (response.status === 416) throw new SourceError("mirror_file_changed", "The mirror holds a shorter file.");
  if (response.status === 429 || response.status === 503) {
    const retryAfterUs = retryAfter(response.headers);
    throw new SourceError("mirror_busy", `The mirror asked to be left alone for a while (${response.status}).`, {
      retryAfterUs,
    });
  }
  throw new SourceError("mirror_status", `The mirror answered with status ${response.status}.`);
}

/** Checks `Content-Range: bytes first-last/size` where it can be seen. */
function checkContentRange(header: string | null, range: HttpRange): void {
  if (header === null) return;
  const match = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/.exec(header.trim());
  if (match === null) throw new SourceError("mirror_wrong_range", "The mirror's Content-Range cannot be understood.");
  const [, first, last, size] = match;
  if (size !== "*" && Number(size) !== range.fileSizeBytes) {
    throw new SourceError("mirror_file_changed", "The mirror holds a file of another size.");
  }
  if (Number(first) !== range.startByte || Number(last) !== range.endByte - 1) {
    throw new SourceError("mirror_wrong_range", "The mirror sent another range than was asked.");
  }
}

function decimal(header: string | null): number | undefined {
  return header !== null && /^\d{1,16}$/.test(header) ? Number(header) : undefined;
}

/** `Retry-After` in microseconds (RFC 9110, section 10.2.3), both forms; undefined when absent or not understood. */
function retryAfter(headers: Headers): number | undefined {
  const header = headers.get("Retry-After");
  if (header === null) return undefined;
  const seconds = decimal(header);
  if (seconds !== undefined) return Math.min(seconds, RETRY_AFTER_S_MAX) * 1_000_000;
  // The date is compared with the mirror's own clock where it tells it, so that ours need not be right.
  const waitMs = Date.parse(header) - (Date.parse(headers.get("Date") ?? "") || Date.now());
  return Number.isFinite(waitMs) && waitMs > 0 ? Math.min(waitMs, RETRY_AFTER_S_MAX * 1_000) * 1_000 : undefined;
}

/** A mirror that wants to be left alone for longer than an hour is out for this download anyway. */
const RETRY_AFTER_S_MAX = 3_600;

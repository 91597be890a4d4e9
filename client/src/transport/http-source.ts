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

import { judgeAnswer, lastModifiedS, type AnswerHead, type AskedRange } from "../core/mirror-answer.ts";
import { isPrivateHost } from "../core/private-address.ts";
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

/** What an answer tells beside the bytes. */
export interface MirrorAnswer {
  /** Where it came from in the end; "" where the browser does not say. */
  readonly url: string;
  /** When the mirror's file was last changed, by its own word: seconds since 1970, null when it does not say. */
  readonly lastModifiedS: number | null;
}

/** Half-open. */
type ByteRange = Pick<AskedRange, "startByte" | "endByte">;

/** What to fetch. */
export interface HttpRange extends AskedRange {
  readonly url: string;
  /** Hears of the answer's head before it is judged. */
  readonly onAnswer?: (answer: MirrorAnswer) => void;
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
    const response = await fetchFunction(range.url, rangeRequest(range, stop.signal));
    range.onAnswer?.({ url: response.url, lastModifiedS: lastModifiedS(headOf(response)) });
    checkAnswer(response, range);
    await readBody(response, sink);
    return "complete";
  } catch (cause) {
    if (signal.aborted) return "aborted";
    if (cause instanceof SourceError) throw cause;
    throw new SourceError("mirror_unreachable", "No answer that may be read.", {
      cause,
    });
  } finally {
    signal.removeEventListener("abort", forward);
    stop.abort();
  }
}

/** How a mirror is asked for a range. */
export function rangeRequest({ startByte, endByte }: ByteRange, signal: AbortSignal) {
  return {
    cache: "no-store",
    credentials: "omit",
    headers: { Range: `bytes=${startByte}-${endByte - 1}` },
    mode: "cors",
    redirect: "follow",
    referrerPolicy: "no-referrer",
    signal,
  } satisfies RequestInit;
}

/** Reads until the sink wants nothing more. @throws {@link SourceError} `mirror_truncated` when the body ends before. */
async function readBody(response: Response, sink: RangeSink): Promise<void> {
  if (response.body === null) throw new SourceError("mirror_truncated");
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
      throw new SourceError("mirror_truncated", "The connection broke.", { cause });
    }
    if (bytes === undefined) {
      if (sink.missingBytes === 0) return;
      throw new SourceError("mirror_truncated");
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
 * Judges the answer to a range request: whence it came, and what it is (spec/mirror-answers.md).
 *
 * @throws {@link SourceError} with the reason when this is not the range that was asked for.
 */
export function checkAnswer(response: Response, range: HttpRange): void {
  if (response.redirected) checkRedirect(new URL(range.url), new URL(response.url));
  // Of another origin's answer a page sees the headers that the mirror exposes, no others.
  const hidden = response.type !== "basic";
  const fault = judgeAnswer(headOf(response), range, hidden, Math.floor(Date.now() / 1_000));
  if (fault === null) return;
  const retryAfterUs = fault.retryAfterUs ?? undefined;
  throw new SourceError(fault.code, `Status ${response.status}.`, { retryAfterUs });
}

function headOf(response: Response): AnswerHead {
  return { status: response.status, header: (name) => response.headers.get(name) };
}

/** A redirect must not lead into a private network, nor from https to http. */
function checkRedirect(asked: URL, answered: URL): void {
  if (isPrivateHost(answered.hostname) && !isPrivateHost(asked.hostname)) {
    throw new SourceError("mirror_private_address");
  }
  if (asked.protocol === "https:" && answered.protocol === "http:") {
    throw new SourceError("mirror_redirects");
  }
}

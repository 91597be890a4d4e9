/**
 * The coordinator's answers about a file, fetched and checked for shape. Nothing here is trusted for what it says: the
 * manifest's signature and digests are (trust.ts).
 */

import { isPrivateHost } from "../core/private-address.ts";
import { decodeBody, type Complete } from "../wire/decode.ts";
import { isDistributeError, RefusedError } from "../wire/errors.ts";
import { FILE_ENTRY_FIELDS, type FileEntry } from "../wire/messages.ts";

/** What a person clicked on, or a program asked for: one of the two. */
export type Target = { readonly href: string } | { readonly fileId: string };

/** Without a byte for so long, the plain link is followed. Not a total: a large file's list may take a slow line longer. */
const STALL_MS = 4_000;

/** ... but a coordinator that drips must not hold anybody for ever: a list of 1 MiB at 17 kB/s. */
const TOTAL_MS = 60_000;

/** An entry: some envelopes of 16 KiB at most, and mirrors. */
const ENTRY_BYTES_MAX = 1_048_576;

/**
 * Asks what file a link points to, or what is known of a file.
 *
 * @throws RefusedError `unknown_link`, `unknown_file`, `coordinator_unreachable`, `coordinator_malformed`, or the code that
 *   the coordinator gave.
 */
export async function resolve(
  coordinatorUrl: string,
  target: Target,
  signal: AbortSignal,
): Promise<Complete<FileEntry>> {
  const path =
    "href" in target
      ? `/api/v1/resolve?url=${encodeURIComponent(target.href)}`
      : `/api/v1/files/${encodeURIComponent(target.fileId)}`;
  const bytes = await get(
    coordinatorUrl + path,
    ENTRY_BYTES_MAX,
    signal,
    "href" in target ? "unknown_link" : "unknown_file",
  );
  try {
    return decodeBody(FILE_ENTRY_FIELDS, JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw new RefusedError("coordinator_malformed", "The coordinator's answer cannot be understood.", { cause });
  }
}

/**
 * Fetches a segment list.
 *
 * @param url absolute, or relative to the coordinator. On a private network only if the coordinator is on one: it must not
 *   make a visitor's browser knock on doors there (mirrors.ts has the same rule).
 * @param sizeBytes 32 for each segment; an answer of another length is refused.
 * @throws RefusedError as {@link resolve}.
 */
export async function fetchSegmentList(
  coordinatorUrl: string,
  url: string,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const address = new URL(url, `${coordinatorUrl}/`);
  if (isPrivateHost(address.hostname) && !isPrivateHost(new URL(coordinatorUrl).hostname)) {
    throw new RefusedError("coordinator_malformed", "The coordinator names a segment list on a private network.");
  }
  return get(address.href, sizeBytes, signal, "unknown_file");
}

async function get(
  url: string,
  bytesMax: number,
  signal: AbortSignal,
  notFound: "unknown_link" | "unknown_file",
): Promise<Uint8Array<ArrayBuffer>> {
  const stalled = new AbortController();
  const stall = () =>
    setTimeout(() => {
      stalled.abort();
    }, STALL_MS);
  let timer = stall();
  let response: Response;
  try {
    response = await fetch(url, {
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.any([signal, stalled.signal, AbortSignal.timeout(TOTAL_MS)]),
    });
    if (response.ok) {
      return await readBounded(response, bytesMax, () => {
        clearTimeout(timer);
        timer = stall();
      });
    }
  } catch (cause) {
    signal.throwIfAborted();
    if (isDistributeError(cause)) throw cause;
    throw new RefusedError("coordinator_unreachable", "The coordinator did not answer.", { cause });
  } finally {
    clearTimeout(timer);
  }
  if (response.status === 404) throw new RefusedError(notFound, "The coordinator does not know this file.");
  if (response.status === 410) throw new RefusedError("taken_down", "This file was withdrawn.");
  if (response.status === 429) throw new RefusedError("rate_limited", "The coordinator asks to try again later.");
  throw new RefusedError("coordinator_unreachable", `The coordinator answered with status ${response.status}.`);
}

/** Reads a body that may not be longer than `bytesMax`; `came` is called whenever some of it came. */
async function readBounded(response: Response, bytesMax: number, came: () => void): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
    came();
    length += part.value.byteLength;
    parts.push(part.value);
    if (length <= bytesMax) continue;
    await reader?.cancel();
    throw new RefusedError("coordinator_malformed", "The coordinator's answer is too long.");
  }
  const body = new Uint8Array(length);
  for (const part of parts.reverse()) body.set(part, (length -= part.byteLength));
  return body;
}

/** A mirror as a {@link Source}: each request is one range request by `fetch` (http-source.ts). */

import { SourceError } from "../wire/errors.ts";
import type { ErrorCode } from "../wire/messages.ts";
import { fetchRange, type Fetch } from "./http-source.ts";
import type { RequestOutcome, RequestSink, Source } from "./source.ts";

/** Failures after which the mirror cannot deliver this file to this page, whatever one waits. */
const PERMANENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "mirror_ignores_range",
  "mirror_file_changed",
  "mirror_insecure",
  "mirror_private_address",
  "mirror_redirects",
]);

export class MirrorSource implements Source {
  readonly #url: string;
  readonly #fileSizeBytes: number;
  readonly #fetch: Fetch;
  readonly #open = new Map<number, AbortController>();

  constructor(url: string, fileSizeBytes: number, fetchFunction: Fetch) {
    this.#url = url;
    this.#fileSizeBytes = fileSizeBytes;
    this.#fetch = fetchFunction;
  }

  start(requestId: number, startByte: number, endByte: number, sink: RequestSink, outcome: RequestOutcome): void {
    const controller = new AbortController();
    this.#open.set(requestId, controller);
    const range = { url: this.#url, startByte, endByte, fileSizeBytes: this.#fileSizeBytes };
    fetchRange(range, sink, controller.signal, this.#fetch)
      .then(
        (how) => {
          if (how === "complete") outcome.finished();
        },
        (cause: unknown) => {
          const error = asSourceError(cause);
          outcome.failed(error.code, PERMANENT.has(error.code), error.retryAfterUs ?? null);
        },
      )
      .finally(() => this.#open.delete(requestId));
  }

  shorten(): void {
    // The sink knows the new end; reading stops there, and the connection is closed.
  }

  cancel(requestId: number): void {
    this.#open.get(requestId)?.abort();
    this.#open.delete(requestId);
  }

  close(): void {
    for (const controller of this.#open.values()) controller.abort();
    this.#open.clear();
  }
}

function asSourceError(cause: unknown): SourceError {
  return cause instanceof SourceError
    ? cause
    : new SourceError("mirror_unreachable", "The mirror's answer could not be used.", { cause });
}

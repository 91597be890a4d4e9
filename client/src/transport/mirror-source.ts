/** A mirror as a {@link Source}: each request is one range request by `fetch` (http-source.ts). */

import { SourceError } from "../wire/errors.ts";
import { FailureRow } from "../core/mirror-answer.ts";
import { fetchRange, type MirrorAnswer } from "./http-source.ts";
import { whyUnreachable, type TroubleWorld } from "./mirror-trouble.ts";
import type { RequestOutcome, RequestSink, Source } from "./source.ts";

export class MirrorSource implements Source {
  readonly #url: string;
  readonly #fileSizeBytes: number;
  readonly #world: TroubleWorld;
  readonly #failures = new FailureRow();
  readonly #open = new Map<number, AbortController>();

  /** Where the last redirect led: asking the redirector again for each range would cost a trip each time. */
  #finalUrl: string;
  #everAnswered = false;
  #lastModifiedS: number | null = null;

  constructor(url: string, fileSizeBytes: number, world: TroubleWorld) {
    this.#url = url;
    this.#finalUrl = url;
    this.#fileSizeBytes = fileSizeBytes;
    this.#world = world;
  }

  /** When its file was last changed, by its latest answer: seconds since 1970, null when it does not say. */
  get lastModifiedS(): number | null {
    return this.#lastModifiedS;
  }

  start(requestId: number, startByte: number, endByte: number, sink: RequestSink, outcome: RequestOutcome): void {
    const controller = new AbortController();
    this.#open.set(requestId, controller);
    const range = {
      url: this.#finalUrl,
      startByte,
      endByte,
      fileSizeBytes: this.#fileSizeBytes,
      onAnswer: (answer: MirrorAnswer) => {
        this.#everAnswered = true;
        this.#lastModifiedS = answer.lastModifiedS;
        if (answer.url !== "") this.#finalUrl = answer.url;
      },
    };
    const wantedBytes = sink.missingBytes;
    fetchRange(range, sink, controller.signal, this.#world.fetch)
      .then(
        (how) => {
          this.#failures.delivered();
          if (how === "complete") outcome.finished();
        },
        async (cause: unknown) => {
          const error = asSourceError(cause);
          this.#finalUrl = this.#url; // the place that a redirect named may be gone; the redirector knows another
          let code = error.code;
          // What has let a page in before is not to be asked why not: it is down.
          if (code === "mirror_unreachable" && !this.#everAnswered) code = await whyUnreachable(this.#url, this.#world);
          if (sink.missingBytes < wantedBytes) this.#failures.delivered();
          outcome.failed(code, this.#failures.failed(code), error.retryAfterUs ?? null);
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
    : new SourceError("mirror_unreachable", "No answer that may be read.", { cause });
}

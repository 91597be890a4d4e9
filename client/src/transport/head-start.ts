/**
 * A mirror's first range, asked for before the download can use it: while the manifest is checked and the store opened,
 * the request and the beginning of its answer are under way.
 *
 * Rules:
 * - Only of a mirror that this download may ask: its address was judged (download/mirrors.ts).
 * - These bytes are no others than all: the download's first request to that mirror gets this answer, if it is for just this
 *   range. Any other request ends it, and so does {@link HeadStart.close}.
 * - What is not read yet lies in the network's buffers; when those are full, TCP slows the mirror.
 */

import { rangeRequest, type Fetch } from "./http-source.ts";

export class HeadStart {
  readonly #url: string;
  readonly #range: string;
  readonly #stop = new AbortController();
  #answer: Promise<Response> | undefined;

  /** Asks at once for the file's bytes before `endByte`, 1 or more. */
  constructor(url: string, endByte: number, fetchFunction: Fetch) {
    const request = rangeRequest({ startByte: 0, endByte }, this.#stop.signal);
    this.#url = url;
    this.#range = request.headers.Range;
    this.#answer = fetchFunction(url, request);
    this.#answer.catch(() => undefined); // told to whoever takes it
  }

  /** The same as `fetchFunction`, but what is on its way already is not asked for again. */
  ahead(fetchFunction: Fetch): Fetch {
    return (url, request) => {
      if (url === this.#url && new Headers(request.headers).get("Range") === this.#range) {
        const answer = this.#answer;
        this.#answer = undefined;
        if (answer !== undefined) {
          request.signal?.addEventListener("abort", () => {
            this.#stop.abort();
          });
          return answer;
        }
      }
      this.close();
      return fetchFunction(url, request);
    };
  }

  /** Nobody will take the answer any more; to no effect when somebody did. */
  close(): void {
    if (this.#answer !== undefined) this.#stop.abort();
    this.#answer = undefined;
  }
}

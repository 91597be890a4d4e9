/**
 * Starts workers from a page of another origin than ours, whose CSP we do not know.
 *
 * Browsers refuse a worker script of another origin, so the script is fetched as text, checked against its hash, and
 * started from a blob of the page's own origin. A CSP that forbids blob workers says so by an error event, or not at
 * all: a worker counts as started when it says `ready` within two seconds.
 */

import { UsageError } from "../wire/errors.ts";
import type { FromWorker, ToWorker } from "../worker/messages.ts";
import { scriptUrl, trustedTypesAdvice } from "../transport/script-url.ts";

/** Where the worker's code comes from. */
export type WorkerCode =
  /** Installed by the page on its own origin. */
  | { readonly kind: "installed"; readonly url: string }
  /** One of our parts, pinned. */
  | { readonly kind: "part"; readonly url: string; readonly integrity: string }
  /** Carried along by the npm module. */
  | { readonly kind: "text"; readonly text: string };

const START_TIMEOUT_MS = 2_000;

/** A download has two: one fetches and stores, the other hashes the whole file. */
const WORKERS = 2;

/** From a pointer on a link to a click on it; who takes longer waits some 50 ms more. */
const SPARE_MS = 30_000;

/** A place to start workers from; the code is fetched once. */
export class WorkerFactory {
  readonly #code: WorkerCode;
  #url: Promise<string> | undefined;
  #spare: Promise<Worker>[] = [];

  constructor(code: WorkerCode) {
    this.#code = code;
  }

  /** Starts the workers of one download ahead of need; a while later those that nobody took are ended. */
  prepare(): void {
    if (this.#spare.length > 0) return;
    const spare = Array.from({ length: WORKERS }, () => this.#fresh());
    this.#spare = spare;
    for (const worker of spare) worker.catch(() => undefined); // told when one is wanted
    setTimeout(() => {
      const unused = this.#spare.filter((worker) => spare.includes(worker));
      this.#spare = this.#spare.filter((worker) => !spare.includes(worker));
      for (const worker of unused)
        worker.then(
          (running) => {
            running.terminate();
          },
          () => undefined,
        );
    }, SPARE_MS);
  }

  /**
   * Starts a worker, or gives one that was started ahead.
   *
   * @param lacks hears what the page's policy would have to list, where that is known to be the reason.
   * @throws UsageError `part_unavailable` when its code cannot be had or may not run here.
   */
  start(lacks?: (lack: string) => void): Promise<Worker> {
    // What failed ahead of need is tried again: perhaps it was only the network, and else the reason is told now.
    return this.#spare.shift()?.catch(() => this.#fresh(lacks)) ?? this.#fresh(lacks);
  }

  async #fresh(lacks?: (lack: string) => void): Promise<Worker> {
    this.#url ??= this.#load();
    let url: string;
    try {
      url = await this.#url;
    } catch (cause) {
      this.#url = undefined; // the next download tries again
      throw new UsageError("part_unavailable", "The download worker could not be loaded.", { cause });
    }
    return started(url, lacks);
  }

  async #load(): Promise<string> {
    const code = this.#code;
    if (code.kind === "installed") return code.url;
    const text = code.kind === "text" ? code.text : await fetchPinned(code.url, code.integrity);
    return URL.createObjectURL(new Blob([text], { type: "text/javascript" })); // lives as long as the page
  }
}

/** What a script element has brought is taken from the cache, for which it has to be asked in the same way. */
async function fetchPinned(url: string, integrity: string): Promise<string> {
  const response = await fetch(url, { integrity, cache: "force-cache", referrerPolicy: "no-referrer" });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.text();
}

function started(url: string, lacks?: (lack: string) => void): Promise<Worker> {
  return new Promise((resolve, reject) => {
    const refuse = (cause?: unknown) => {
      clearTimeout(timer);
      worker?.terminate();
      reject(new UsageError("part_unavailable", "The page's security policy forbids the download worker.", { cause }));
    };
    const timer = setTimeout(refuse, START_TIMEOUT_MS);
    let worker: Worker | undefined;
    try {
      worker = new Worker(scriptUrl(url), { name: "distribute-io" });
    } catch (cause) {
      const lack = trustedTypesAdvice(cause);
      if (lack !== undefined) lacks?.(lack);
      refuse(cause);
      return;
    }
    const running = worker;
    running.onerror = refuse;
    running.onmessage = (event: MessageEvent<FromWorker>) => {
      if (event.data.type !== "ready") return;
      clearTimeout(timer);
      running.onerror = running.onmessage = null;
      resolve(running);
    };
  });
}

/** Sends a typed message. */
export function tell(worker: Worker, message: ToWorker, transfer: Transferable[] = []): void {
  worker.postMessage(message, transfer);
}

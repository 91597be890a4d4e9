/**
 * A download that a service worker of the page's own site writes into the download folder (save-service-worker.ts).
 *
 * A hidden frame asks for its address; the frame shows nothing, since the answer is an attachment.
 */

import type { ToStream } from "../storage/stream-sink.ts";
import { scriptUrl } from "../transport/script-url.ts";
import { UsageError } from "../wire/errors.ts";
import { SCOPE, type FromServiceWorker, type ToServiceWorker } from "./messages.ts";

/** Without a sign of the service worker for so long at the start, it is not there. */
const START_MS = 5_000;

/** Nor is it when so many questions in a row have no answer. A clock would count the time that a computer slept. */
const UNANSWERED_MAX = 4;

/** The frame may go so long after its download is over. */
const FRAME_MS = 10_000;

export interface Stream {
  /** Leads to the download; for the worker. */
  readonly port: MessagePort;
  /** To be called every ten seconds or so: keeps the service worker alive. @returns false when it is not. */
  readonly runs: () => boolean;
  /** Takes the frame away, and ends a download whose port went nowhere. */
  readonly close: () => void;
}

/**
 * Opens a download.
 *
 * @param url the installed service worker's address.
 * @param name what the file is called, without folders.
 * @param mayBegin asked at the last moment, since all before it takes time. With it, a service worker that does not tell
 *   whether the download began is of no use.
 * @throws UsageError `part_unavailable` when the service worker is not there, or may not run.
 */
export async function openStream(
  url: string,
  name: string,
  sizeBytes: number,
  mayBegin?: () => boolean,
): Promise<Stream> {
  try {
    return await open(url, name, sizeBytes, mayBegin);
  } catch (cause) {
    throw new UsageError("part_unavailable", "The service worker for saving cannot be used.", { cause });
  }
}

async function open(url: string, name: string, sizeBytes: number, mayBegin?: () => boolean): Promise<Stream> {
  const scope = new URL(SCOPE, url).href;
  const worker = await within(
    START_MS,
    activeWorker(await navigator.serviceWorker.register(scriptUrl(url), { scope })),
  );
  const id = crypto.randomUUID();
  const bytes = new MessageChannel();
  const control = new MessageChannel();
  let unanswered = 0;
  const says = (awaited: FromServiceWorker["type"]) =>
    within(
      START_MS,
      new Promise<FromServiceWorker>((resolve) => {
        control.port1.onmessage = ({ data }: MessageEvent<FromServiceWorker>) => {
          unanswered = 0;
          if (data.type === awaited) resolve(data);
        };
      }),
    );
  const ready = says("ready");
  tell(worker, { type: "open", id, name, sizeBytes }, [bytes.port2, control.port2]);
  const frame = document.createElement("iframe");
  // The service worker forgets it: an early end, or a page that is left, whose worker ends without a word.
  const left = () => {
    tell(worker, { type: "left", id });
  };
  addEventListener("pagehide", left);
  const close = () => {
    removeEventListener("pagehide", left);
    // To no effect from a port that went to the worker.
    bytes.port1.postMessage({ type: "abort" } satisfies ToStream);
    control.port1.close();
    setTimeout(() => {
      frame.remove();
    }, FRAME_MS);
  };
  try {
    // One that the site installed long ago does not tell whether the frame came.
    const tells = "tells" in (await ready);
    if (mayBegin !== undefined && !(tells && mayBegin())) throw new Error("not now");
    const asked = tells ? says("asked") : undefined;
    frame.hidden = true;
    frame.src = scope + id;
    document.body.append(frame);
    await asked; // a page's policy or sandbox may refuse the frame, of which it is told nothing
  } catch (cause) {
    left();
    close();
    throw cause;
  }
  return {
    port: bytes.port1,
    runs: () => {
      if (unanswered >= UNANSWERED_MAX) return false;
      unanswered += 1;
      tell(worker, { type: "runs", id });
      return true;
    },
    close,
  };
}

/** The registration's worker when it can be talked to. */
function activeWorker(registration: ServiceWorkerRegistration): Promise<ServiceWorker> {
  const coming = registration.installing ?? registration.waiting ?? registration.active;
  return new Promise((resolve, reject) => {
    if (coming === null) reject(new Error("no service worker"));
    else if (coming.state === "activated") resolve(coming);
    else {
      coming.addEventListener("statechange", () => {
        if (coming.state === "activated") resolve(coming);
        if (coming.state === "redundant") reject(new Error("redundant"));
      });
    }
  });
}

/** @throws Error when it takes longer. */
export function within<Value>(timeoutMs: number, promise: Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    setTimeout(reject, timeoutMs, new Error("timeout"));
    promise.then(resolve, reject);
  });
}

function tell(worker: ServiceWorker, message: ToServiceWorker, ports: MessagePort[] = []): void {
  worker.postMessage(message, ports);
}

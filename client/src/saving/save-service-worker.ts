/**
 * The service worker that a site may install (`data-sw`): turns verified segments into a download of the browser's own.
 *
 * - It answers nothing but the one address of each download that a page has announced; it intercepts no page, keeps no
 *   state on disk, and can be replaced at any time.
 * - Bytes come one segment at a time, when the browser asks for more: memory stays at a segment or two.
 * - `Content-Length` is sent, so that a download which is cut off is seen to have failed.
 * - Browsers end a service worker that has nothing to do for 30 s, in Firefox in the middle of an answer. So the page
 *   tells it from time to time that the download runs, and hears whether it is still the one that knows it.
 */

import type { FromStream, ToStream } from "../storage/stream-sink.ts";
import type { FromServiceWorker, ToServiceWorker } from "./messages.ts";

const worker = self as unknown as ServiceWorkerGlobalScope; // the only global scope this script runs in

interface Announced {
  readonly name: string;
  readonly sizeBytes: number;
  readonly bytes: MessagePort;
}

interface Running {
  readonly page: MessagePort;
  /** Once it was asked for: has the browser see that it failed. */
  readonly fail?: () => void;
}

/** Downloads that were announced and not yet asked for, and the pages' ports of all that run; some at most. */
const announced = new Map<string, Announced>();
const running = new Map<string, Running>();
const DOWNLOADS_MAX = 32;

worker.addEventListener("install", (event) => {
  event.waitUntil(worker.skipWaiting()); // it has no pages whose life it could disturb
});

worker.addEventListener("message", (event: ExtendableMessageEvent) => {
  const message = event.data as ToServiceWorker; // from pages of this origin, whose worker this is
  if (message.type === "runs") {
    tell(running.get(message.id), { type: "alive" });
    return;
  }
  if (message.type === "left") {
    running.get(message.id)?.fail?.();
    running.delete(message.id);
    announced.delete(message.id);
    return;
  }
  const [bytes, page] = event.ports;
  if (bytes === undefined || page === undefined || running.size >= DOWNLOADS_MAX) return;
  announced.set(message.id, { name: message.name, sizeBytes: message.sizeBytes, bytes });
  running.set(message.id, { page });
  tell({ page }, { type: "ready", tells: true });
});

worker.addEventListener("fetch", (event) => {
  const id = new URL(event.request.url).pathname.split("/").at(-1) ?? "";
  const download = announced.get(id);
  if (download === undefined) return; // another file of this folder, if there is one: as if we were not here
  announced.delete(id);
  const response = new Response(streamOf(id, download.bytes), {
    headers: {
      "Content-Type": "application/octet-stream",
      "Content-Disposition": `attachment; filename*=UTF-8''${encoded(download.name)}`,
      "Content-Length": String(download.sizeBytes),
      "X-Content-Type-Options": "nosniff",
      // Pages that are cross-origin isolated take no frame without it.
      "Cross-Origin-Embedder-Policy": "require-corp",
    },
  });
  // Only now: a name that cannot be sent is an answer that never comes.
  tell(running.get(id), { type: "asked" });
  event.respondWith(response);
});

function streamOf(id: string, port: MessagePort): ReadableStream<Uint8Array> {
  const send = (message: FromStream) => {
    port.postMessage(message);
  };
  let pulled: (() => void) | undefined;
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        port.onmessage = ({ data }: MessageEvent<ToStream>) => {
          if (data.type === "bytes") controller.enqueue(data.bytes);
          else {
            running.delete(id);
            if (data.type === "end") controller.close();
            else controller.error(new Error("The download was cancelled."));
          }
          pulled?.();
        };
        const { page } = running.get(id) ?? {};
        if (page === undefined) return;
        running.set(id, {
          page,
          fail: () => {
            controller.error(new Error("The page was left."));
          },
        });
      },
      pull: () => {
        send({ type: "pull" });
        return new Promise<void>((resolve) => (pulled = resolve));
      },
      cancel: () => {
        running.delete(id);
        send({ type: "gone" });
      },
    },
    { highWaterMark: 1 },
  );
}

/** A file's name as RFC 8187 wants it; `encodeURIComponent` leaves four characters that it does not allow. */
function encoded(name: string): string {
  return encodeURIComponent(name).replace(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
}

function tell(download: Running | undefined, message: FromServiceWorker): void {
  download?.page.postMessage(message);
}

/**
 * A download's workers. One script, two roles, told by the first message: `download` runs a download, `hash` follows it
 * with the whole file's digest. One script, because a page with a strict CSP installs one file on its own origin.
 */

import { systemClock } from "../transport/clock.ts";
import { HeadStart } from "../transport/head-start.ts";
import type { Fetch } from "../transport/http-source.ts";
import { isDistributeError, StoreError } from "../wire/errors.ts";
import { DownloadRun } from "./download-run.ts";
import { runHasher } from "./hasher.ts";
import { PeerSession } from "./peer-session.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

const worker = self as unknown as DedicatedWorkerGlobalScope; // the only global scope that is asked to take part

/** `navigator.deviceMemory`, GiB, where the browser tells (Chromium). */
interface NavigatorWithMemory {
  readonly deviceMemory?: number;
}

function report(message: FromWorker): void {
  worker.postMessage(message);
}

const browserFetch: Fetch = (url, request) => fetch(url, request);

let run: Promise<DownloadRun> | undefined;
/** The session of the download, ahead of it where the page says `connect`. */
let peers: PeerSession | undefined;
/** The download's first request. */
let headStart: HeadStart | undefined;

function heard(event: MessageEvent<ToWorker>): void {
  const message = event.data;
  switch (message.type) {
    case "hash":
      void runHasher(message.port);
      return;
    case "head_start":
      headStart = new HeadStart(message.url, message.endByte, browserFetch);
      return;
    case "connect":
      peers = new PeerSession(message, systemClock());
      return;
    case "download": {
      // A place that failed has closed the session of its try.
      if (peers?.open !== true) peers = new PeerSession(message.job, systemClock());
      const session = peers;
      run = DownloadRun.start(message.job, message.hasher, {
        clock: systemClock(),
        browser: navigator,
        fetch: browserFetch,
        headStart,
        smallMemory: ((navigator as NavigatorWithMemory).deviceMemory ?? 8) <= 4,
        peers: session,
        report,
      });
      run.catch((cause: unknown) => {
        session.close();
        headStart?.close();
        const error = isDistributeError(cause)
          ? cause
          : new StoreError("store_unreadable", "The browser's storage failed.", { cause });
        report({ type: "failed", family: error.family, code: error.code, message: error.message });
      });
      return;
    }
    case "seek":
      peers?.seek(message.fileId, message.segments);
      return;
    case "allow_peers":
      peers?.allow(message.rtc, message.early);
      return;
    case "forbid_peers":
      peers?.forbid();
      return;
    case "pause":
      void run?.then((running) => {
        running.pause();
      });
      return;
    case "resume":
      void run?.then((running) => {
        running.resume();
      });
      return;
    case "save_early":
      void run?.then((running) => {
        running.saveEarly(message.port);
      });
      return;
    case "stream_gone":
      void run?.then((running) => {
        running.streamGone();
      });
      return;
    case "cancel":
      void run?.then((running) => running.cancel());
  }
}

/** Takes part in downloads, as the page's messages say. */
export function serveDownloads(): void {
  worker.onmessage = heard;
  worker.addEventListener("securitypolicyviolation", (event) => {
    const { effectiveDirective, blockedURI, originalPolicy } = event as SecurityPolicyViolationEvent; // as: TypeScript's list lacks it
    report({ type: "blocked", effectiveDirective, blockedURI, originalPolicy });
  });
  void warmStorage();
  report({ type: "ready" });
}

/** The first use of the private file system takes the browser some 20 ms: they pass while the coordinator answers. */
async function warmStorage(): Promise<void> {
  try {
    await navigator.storage.getDirectory();
  } catch {
    // Opening the store will say what that means.
  }
}

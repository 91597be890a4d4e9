/**
 * What a download needs before its first byte: two workers, the coordinator's answer, a session with it, and some
 * connections that wait for donors. Made when the pointer goes down on a link, which is some 100 ms before the click; or
 * by the download itself.
 *
 * Rules:
 * - The coordinator and its STUN server are all that hears of it before {@link Preparation.seek}: a press may be taken back.
 * - No `RTCPeerConnection` exists before {@link Preparation.allowPeers}, and none after {@link Preparation.forbidPeers}.
 * - What the publisher signed is checked here, before any byte of the file is used.
 * - Everything ends with {@link Preparation.end}: workers, connections, requests.
 */

import { SegmentLayout } from "../core/segment-layout.ts";
import { segmentSizeBytes } from "../core/segment-list.ts";
import { RtcHost, browserWindow, canConnect } from "../transport/rtc-host.ts";
import type { Complete } from "../wire/decode.ts";
import type { FileEntry } from "../wire/messages.ts";
import type { FromWorker } from "../worker/messages.ts";
import { fetchSegmentList, resolve, type Target } from "./coordinator.ts";
import { pageName } from "./page-name.ts";
import { PolicyAdvice } from "./policy-advice.ts";
import { trustedFile, trustedSegmentList, type TrustedFile } from "./trust.ts";
import { siteVersions } from "./versions.ts";
import { tell, type WorkerFactory } from "./worker-code.ts";

/** Time for the worker to say goodbye to donors and coordinator after the end. */
const GOODBYE_MS = 1_000;

/** Time for the browser's reports of what the page's policy refused. */
const ADVICE_MS = 100;

interface Sought {
  readonly fileId: string;
  readonly segments: number;
}

export interface PreparationSettings {
  /** Without a slash at the end. */
  readonly coordinatorUrl: string;
  /** Pinned publisher keys; empty: what the coordinator says is compared with itself only. */
  readonly keys: readonly string[];
  readonly workers: WorkerFactory;
}

export class Preparation {
  /** What the coordinator knows of the file; not checked yet. */
  readonly entry: Promise<Complete<FileEntry>>;
  /** What its publisher says of it, and its segment list, both checked. */
  readonly file: Promise<{ readonly file: TrustedFile; readonly segmentList: Uint8Array<ArrayBuffer> }>;
  readonly downloader: Promise<Worker>;
  readonly hasher: Promise<Worker>;
  readonly #advice: PolicyAdvice;
  readonly #cancelled = new AbortController();
  /** What the downloader has to know of the file, and the downloader, once it has a session. */
  #connected: { readonly worker: Worker; readonly sought: Sought } | undefined;
  #isWanted = false;
  #peersAllowed = false;
  #rtc: RtcHost | undefined;
  #ended = false;

  constructor({ coordinatorUrl, keys, workers }: PreparationSettings, target: Target) {
    this.#advice = new PolicyAdvice([new URL(coordinatorUrl).origin]);
    document.addEventListener("securitypolicyviolation", this.#advice.heard);
    this.hasher = this.#start(workers);
    this.downloader = this.#start(workers);
    this.entry = resolve(coordinatorUrl, target, this.#cancelled.signal);
    this.file = this.entry.then(async (entry) => {
      // The list travels while the manifest is checked. Its length is the entry's word, its digest the signer's.
      const listBytes = 32 * soughtOf(entry).segments;
      const list = fetchSegmentList(coordinatorUrl, entry.segments_url, listBytes, this.#cancelled.signal);
      list.catch(() => undefined); // told below, or not at all when the manifest is wrong
      const file =
        "fileId" in target
          ? await trustedFile(entry, target.fileId, keys)
          : await trustedFile(entry, undefined, keys, siteVersions);
      return { file, segmentList: await trustedSegmentList(file, await list) };
    });
    this.file.catch(() => undefined); // told where it is waited for, if anybody does
    Promise.all([this.downloader, this.entry]).then(
      ([worker, entry]) => {
        tell(worker, { type: "connect", sessionUrl: entry.session_url, page: pageName() });
        this.#connected = { worker, sought: soughtOf(entry) };
        this.#connectPeers();
        if (this.#isWanted) this.seek();
      },
      () => undefined, // the same
    );
  }

  /** Donors may be met from now on. */
  allowPeers(): void {
    this.#peersAllowed = true;
    this.#connectPeers();
  }

  /** Mirrors only from now on: connections to donors are closed. */
  forbidPeers(): void {
    this.#peersAllowed = false;
    this.#closePeers();
    if (this.#connected !== undefined) tell(this.#connected.worker, { type: "forbid_peers" });
  }

  /** The worker's next try has other donors than the one that failed; to be called when it has its job. */
  renewPeers(): void {
    this.#closePeers();
    this.#connectPeers();
  }

  /**
   * The file is wanted: donors may be introduced while its manifest is checked and its store opened. Nothing is asked of
   * them before all that is done.
   */
  seek(): void {
    this.#isWanted = true;
    if (this.#connected !== undefined) tell(this.#connected.worker, { type: "seek", ...this.#connected.sought });
  }

  /** Ends the question to the coordinator. */
  cancel(reason: unknown): void {
    this.#cancelled.abort(reason);
  }

  /** Ends workers and connections, a moment later: a last receipt and goodbye may be on their way. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelled.abort();
    // A moment later: the browser's reports of what it refused are on their way.
    setTimeout(() => {
      document.removeEventListener("securitypolicyviolation", this.#advice.heard);
      this.#advice.tell();
    }, ADVICE_MS);
    setTimeout(() => {
      this.#closePeers();
      // A worker that never started has nothing to end, and its reason is told already.
      for (const start of [this.hasher, this.downloader])
        start
          .then((worker) => {
            worker.terminate();
          })
          .catch(() => undefined);
    }, GOODBYE_MS);
  }

  /** A worker on its way, whose refusals by the page's policy are heard. */
  #start(workers: WorkerFactory): Promise<Worker> {
    const starting = workers.start((lack) => {
      this.#advice.lacks(lack);
    });
    starting
      .then((worker) => {
        worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
          if (data.type === "blocked") this.#advice.inWorker(data);
        });
      })
      .catch(() => undefined); // told where it is waited for, which may be later than the page's own error handlers ask
    return starting;
  }

  #connectPeers(): void {
    if (!this.#peersAllowed || this.#ended || this.#connected === undefined || this.#rtc !== undefined || !canConnect())
      return;
    const channel = new MessageChannel();
    this.#rtc = new RtcHost(channel.port1, browserWindow());
    tell(this.#connected.worker, { type: "allow_peers", rtc: channel.port2 }, [channel.port2]);
  }

  #closePeers(): void {
    this.#rtc?.close();
    this.#rtc = undefined;
  }
}

/** By the coordinator's word. */
function soughtOf(entry: Complete<FileEntry>): Sought {
  const { file_id: fileId, size_bytes: sizeBytes } = entry;
  return { fileId, segments: new SegmentLayout(sizeBytes, segmentSizeBytes(sizeBytes)).count };
}

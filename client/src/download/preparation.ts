/**
 * What a download needs before its first byte: two workers, the coordinator's answer, the first request to a mirror, a
 * session, and some connections that wait for donors. Made when the pointer goes down on a link, which is some 100 ms
 * before the click; or by the click.
 *
 * Rules:
 * - The coordinator and its STUN server are all that hears of it before {@link Preparation.seek}: a press may be taken back.
 * - Donors are sought here only of a file that no mirror gives; else the download judges whether any are needed.
 * - Once the file is wanted, nothing of ours goes before the first request: neither the session nor connections, which take
 *   the page some 50 ms; and what draws waits for {@link Preparation.asked}.
 * - No `RTCPeerConnection` exists before {@link Preparation.allowPeers}, and none after {@link Preparation.forbidPeers} or
 *   after the visitor chose "mirrors only" anywhere on the page.
 * - What the publisher signed is checked here, before any byte of the file is used.
 * - Everything ends with {@link Preparation.end}: workers, connections, requests.
 */

import { FIRST_REQUEST_BYTES } from "../core/scheduler/config.ts";
import { SegmentLayout } from "../core/segment-layout.ts";
import { segmentSizeBytes } from "../core/segment-list.ts";
import { RtcHost, browserWindow, canConnect } from "../transport/rtc-host.ts";
import type { Complete } from "../wire/decode.ts";
import type { FileEntry } from "../wire/messages.ts";
import type { FromWorker, ToWorker } from "../worker/messages.ts";
import { fetchSegmentList, resolve, type Target } from "./coordinator.ts";
import { withLink, type JudgedMirrors } from "./mirrors.ts";
import { pageName } from "./page-name.ts";
import type { PolicyAdvice } from "./policy-advice.ts";
import { heedMirrorsOnly } from "./preferences.ts";
import { trustedFile, trustedSegmentList, type TrustedFile } from "./trust.ts";
import { siteVersions } from "./versions.ts";
import { tell, type WorkerFactory } from "./worker-code.ts";

/** Time for the worker to say goodbye to donors and coordinator after the end. */
const GOODBYE_MS = 1_000;

/** Time for the browser's reports of what the page's policy refused. */
const ADVICE_MS = 100;

/** Nobody sees that a panel comes so much after a click. */
const ASKED_MS = 100;

/** What the coordinator knows of a file, and which of its mirrors may be asked. Not checked against any signature yet. */
export interface Answer extends JudgedMirrors {
  readonly entry: Complete<FileEntry>;
}

export interface PreparationSettings {
  /** Without a slash at the end. */
  readonly coordinatorUrl: string;
  /** Pinned publisher keys; empty: what the coordinator says is compared with itself only. */
  readonly keys: readonly string[];
  readonly workers: WorkerFactory;
  /** Collects what the page's policy refuses of what is asked of the coordinator. */
  readonly advice: PolicyAdvice;
}

export class Preparation {
  readonly answer: Promise<Answer>;
  /** What its publisher says of it, and its segment list, both checked. */
  readonly file: Promise<{ readonly file: TrustedFile; readonly segmentList: Uint8Array<ArrayBuffer> }>;
  readonly downloader: Promise<Worker>;
  readonly hasher: Promise<Worker>;
  /** When the first mirror was asked after {@link seek}, or will not be soon. */
  readonly asked: Promise<void>;
  #setAsked: () => void = () => undefined;
  readonly #advice: PolicyAdvice;
  readonly #cancelled = new AbortController();
  /** The downloader, once it is known what to ask it. */
  #ready: { readonly worker: Worker; readonly answer: Answer } | undefined;
  #isConnected = false;
  #isWanted = false;
  #peersAllowed = false;
  #rtc: RtcHost | undefined;
  #ended = false;
  readonly #unheed = heedMirrorsOnly(() => {
    this.forbidPeers();
  });

  constructor({ coordinatorUrl, keys, workers, advice }: PreparationSettings, target: Target) {
    this.#advice = advice;
    document.addEventListener("securitypolicyviolation", this.#advice.heard);
    this.asked = new Promise((resolve) => {
      this.#setAsked = resolve;
    });
    this.answer = resolve(coordinatorUrl, target, this.#cancelled.signal).then((entry) => ({
      entry,
      ...withLink(entry, target, { pageUrl: location.href, coordinatorUrl }),
    }));
    this.hasher = this.#start(workers);
    this.downloader = this.#start(workers);
    this.downloader
      .then(async (worker) => {
        this.#ready = { worker, answer: await this.answer };
        if (this.#cancelled.signal.aborted) return; // nobody waits any more
        if (this.#isWanted) this.#ask();
        else this.#connect();
      })
      .catch(() => {
        this.#setAsked();
      });
    this.file = this.answer.then(async ({ entry }) => {
      await Promise.resolve(); // the session is connected first: it has the longest way
      // The list travels while the manifest is checked. Its length is the entry's word, its digest the signer's.
      const listBytes = 32 * segmentsOf(entry);
      const list = fetchSegmentList(coordinatorUrl, entry.segments_url, listBytes, this.#cancelled.signal);
      list.catch(() => undefined); // told below, or not at all when the manifest is wrong
      const file =
        "fileId" in target
          ? await trustedFile(entry, target.fileId, keys)
          : await trustedFile(entry, undefined, keys, siteVersions);
      return { file, segmentList: await trustedSegmentList(file, await list) };
    });
    this.file.catch(() => undefined); // told where it is waited for, if anybody does
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
    if (this.#isConnected) this.#tell({ type: "forbid_peers" });
  }

  /** The worker's next try has other donors than the one that failed; to be called when it has its job. */
  renewPeers(): void {
    this.#closePeers();
    this.#connectPeers();
  }

  /**
   * The file is wanted: its first mirror is asked, or donors are introduced if it has none, while its manifest is checked and
   * its store opened. Nothing is asked of donors before all that is done.
   */
  seek(): void {
    if (this.#isWanted) return;
    this.#isWanted = true;
    setTimeout(this.#setAsked, ASKED_MS);
    if (this.#ready) this.#ask();
  }

  /** Ends the question to the coordinator. */
  cancel(reason: unknown): void {
    this.#cancelled.abort(reason);
  }

  /** Ends workers and connections, a moment later: a last receipt and goodbye may be on their way. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#unheed();
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

  /** The first request goes before all else. */
  #ask(): void {
    if (!this.#ready) return;
    const { entry } = this.#ready.answer;
    const first = firstRange(this.#ready.answer);
    if (first) this.#tell({ type: "head_start", ...first });
    this.#setAsked();
    this.#connect();
    if (!first) this.#tell({ type: "seek", fileId: entry.file_id, segments: segmentsOf(entry) });
  }

  #connect(): void {
    if (this.#isConnected || !this.#ready) return;
    this.#isConnected = true;
    this.#tell({ type: "connect", sessionUrl: this.#ready.answer.entry.session_url, page: pageName() });
    this.#connectPeers();
  }

  #connectPeers(): void {
    if (!this.#ready || this.#rtc || !this.#peersAllowed || this.#ended || !this.#isConnected || !canConnect()) return;
    const channel = new MessageChannel();
    const { stun } = this.#ready.answer.entry;
    this.#rtc = new RtcHost(channel.port1, browserWindow(), stun);
    const early = stun.length > 0 && !firstRange(this.#ready.answer);
    this.#tell({ type: "allow_peers", rtc: channel.port2, early }, [channel.port2]);
  }

  #closePeers(): void {
    this.#rtc?.close();
    this.#rtc = undefined;
  }

  /** To the downloader; nothing before it is ready. */
  #tell(message: ToWorker, transfer?: Transferable[]): void {
    if (this.#ready) tell(this.#ready.worker, message, transfer);
  }
}

/** By the coordinator's word. */
function segmentsOf({ size_bytes: sizeBytes }: Complete<FileEntry>): number {
  return new SegmentLayout(sizeBytes, segmentSizeBytes(sizeBytes)).count;
}

/** What the download is going to ask for first, from the file's beginning, if its store has nothing yet. */
function firstRange({ entry, mirrors }: Answer): { readonly url: string; readonly endByte: number } | undefined {
  const sizeBytes = entry.size_bytes;
  const url = mirrors.find(({ problem }) => problem === null)?.url;
  if (url === undefined || sizeBytes === 0) return undefined;
  return { url, endByte: Math.min(sizeBytes, Math.max(FIRST_REQUEST_BYTES, segmentSizeBytes(sizeBytes))) };
}

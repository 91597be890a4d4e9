/**
 * One download in its worker, from the job to the stored file: wires scheduler, sources, intake, store and hasher, and
 * tells the page how it goes.
 *
 * The last word is the digest of the whole file: segments that are all right cannot make a wrong file, but what we call
 * verified is what people compare with a published checksum, so it is computed and compared. The browser may begin to
 * save the file before (docs/decisions/0036-handed-over-before-the-digest.md), but for one that an earlier visit began:
 * of that only the whole digest says that it still is what was stored.
 *
 * A download that ends for want of sources, or by the end of its worker, is kept: the next run of the same file goes on.
 * So is one for which there is no more room. One that was cancelled, whose bytes are wrong or whose store fails, is
 * forgotten.
 */

import { isReplaced, judgeLink } from "../core/mirror-answer.ts";
import { mirrorsSuffice } from "../core/peer-roster.ts";
import { RateMeter } from "../core/rate-meter.ts";
import type { Runs } from "../core/runs.ts";
import { WINDOW_BYTES } from "../core/save-ladder.ts";
import type { SegmentRange } from "../core/scheduler/messages.ts";
import { Scheduler } from "../core/scheduler/scheduler.ts";
import { SegmentLayout } from "../core/segment-layout.ts";
import { SegmentSenders } from "../core/segment-senders.ts";
import type { DownloadStore } from "../storage/download-store.ts";
import { openStore } from "../storage/open-store.ts";
import type { StoreBrowser } from "../storage/opfs-store.ts";
import { StreamSink } from "../storage/stream-sink.ts";
import { sha256 } from "../storage/web-crypto.ts";
import { every, type Clock } from "../transport/clock.ts";
import { MirrorSource } from "../transport/mirror-source.ts";
import type { HeadStart } from "../transport/head-start.ts";
import type { Fetch } from "../transport/http-source.ts";
import { browserTrouble } from "../transport/mirror-trouble.ts";
import type { Source } from "../transport/source.ts";
import { type DistributeError, IntegrityError, RefusedError, StoreError } from "../wire/errors.ts";
import { Checkpoints } from "./checkpoints.ts";
import { DownloadEngine } from "./download-engine.ts";
import { FrontHasher } from "./front-hasher.ts";
import { FrontSaver } from "./front-saver.ts";
import type { ErrorCode } from "../wire/messages.ts";
import type { DownloadJob, FromWorker, Progress, SourceProgress } from "./messages.ts";
import { missingRuns, type PeerSession } from "./peer-session.ts";
import { asError, asStoreError } from "./run-errors.ts";
import { SegmentIntake } from "./segment-intake.ts";

/** How often the page hears of progress. */
const PROGRESS_MS = 250;

/** Bytes received and not yet stored, at most. Phones (4 GiB and less) get half: their tabs are killed early. */
const MEMORY_BYTES = 24 * 1024 * 1024;

/** A service worker with nothing to do is ended after 30 s, and in Firefox its download with it. */
const STREAM_RUNS_MS = 10_000;

/**
 * When all is known to be right, an early save has so long for what is left of it; then the file is handed over. A slow
 * folder, a download that is paused in the browser's list or waits for an answer, and a service worker that is gone are not
 * waited for.
 */
const LAST_PART_MS = 5_000;

/** What is stored is right, and another place may take the rest. */
const ROOM_CODES: ReadonlySet<ErrorCode> = new Set(["quota_exceeded", "disk_full", "save_interrupted", "saver_gone"]);

export interface RunEnvironment {
  readonly clock: Clock;
  readonly browser: StoreBrowser;
  readonly fetch: Fetch;
  /** A mirror's first range that is on its way. The run ends it. */
  readonly headStart: HeadStart | undefined;
  readonly smallMemory: boolean;
  /** The session, connecting already. The run ends it. */
  readonly peers: PeerSession;
  readonly report: (message: FromWorker) => void;
}

/** What the page hears of one source beyond the scheduler's own table. */
interface SourceRate {
  /** Its index there: both are in the order of coming, and neither forgets anybody. */
  readonly row: number;
  /** Undefined before its first byte. */
  meter: RateMeter | undefined;
}

/** A running download. */
export class DownloadRun {
  readonly #job: DownloadJob;
  readonly #environment: RunEnvironment;
  readonly #layout: SegmentLayout;
  readonly #store: DownloadStore;
  readonly #stored: boolean[];
  readonly #keptBytes: number;
  readonly #checkpoints: Checkpoints;
  readonly #hasher: FrontHasher;
  readonly #scheduler: Scheduler;
  readonly #engine: DownloadEngine;
  readonly #total: RateMeter;
  /** By the id of each source that came, in the order of the scheduler's table. */
  readonly #rates = new Map<string, SourceRate>();
  readonly #senders: SegmentSenders;
  readonly #peers: PeerSession;
  readonly #stopProgress: () => void;
  #stopStreamRuns: () => void = () => undefined;
  /** The link itself, where it is among the mirrors. */
  #link: MirrorSource | undefined;
  /** It is banned, and seems to lead to another file by now. */
  #linkIsChanged = false;
  #storedBytes: number;
  /** The first segment that is missing, when it was looked at last. */
  #front = 0;
  /** Donors that came, ever: "mirrors only" and back again does not number anew. */
  #donors = 0;
  /** A byte came of somebody. */
  #isHeard = false;
  /** All is stored, or it is over. */
  #isComplete = false;
  #over = false;
  /** Has the browser save it while it comes. */
  #saver: FrontSaver | undefined;
  /** The browser may be copying the file: our copy is taken away only when it is wrong. */
  #isHandedOver = false;

  /**
   * Opens the store and starts, where an earlier run ended if there was one.
   *
   * @throws StoreError when there is no place for the file.
   */
  static async start(job: DownloadJob, hasher: MessagePort, environment: RunEnvironment): Promise<DownloadRun> {
    const layout = new SegmentLayout(job.sizeBytes, job.segmentSizeBytes);
    const { fileId, segmentsSha256, segmentList, about } = job;
    const target = { fileId, segmentsSha256, layout, segmentList, about };
    const store = await openStore(target, sha256, environment.browser, job.place);
    const front = new FrontHasher(layout, store, hasher);
    await front.resume(store.kept);
    return new DownloadRun(job, layout, store, front, environment);
  }

  private constructor(
    job: DownloadJob,
    layout: SegmentLayout,
    store: DownloadStore,
    hasher: FrontHasher,
    environment: RunEnvironment,
  ) {
    this.#job = job;
    this.#environment = environment;
    this.#layout = layout;
    this.#store = store;
    this.#stored = [...store.kept.stored];
    this.#keptBytes = this.#stored.reduce((sum, there, index) => sum + (there ? layout.lengthOf(index) : 0), 0);
    this.#storedBytes = this.#keptBytes;
    this.#senders = new SegmentSenders(layout.segmentSizeBytes, this.#stored);
    this.#hasher = hasher;
    this.#checkpoints = new Checkpoints(
      store,
      () => hasher.save(),
      environment.clock,
      (cause) => {
        this.#fail(asStoreError(cause));
      },
    );
    this.#total = new RateMeter(environment.clock.nowUs());
    const inOrder = job.place.kind !== "opfs";
    const memoryBytes = (inOrder ? WINDOW_BYTES : MEMORY_BYTES) / (environment.smallMemory ? 2 : 1);
    this.#scheduler = new Scheduler(
      {
        sizeBytes: job.sizeBytes,
        segmentSizeBytes: job.segmentSizeBytes,
        missing: missingRuns(this.#stored),
        policy: job.policy,
        maxInFlightBytes: memoryBytes,
        inOrder,
      },
      environment.clock.nowUs(),
    );
    this.#engine = new DownloadEngine(
      this.#scheduler,
      environment.clock,
      {
        received: (sourceId, bytes, endByte) => {
          this.#received(sourceId, bytes, endByte);
        },
        segmentReadable: (index) => {
          hasher.segmentReadable(index);
        },
        segmentStored: (index) => {
          const isFirst = this.#storedBytes === this.#keptBytes;
          this.#storedBytes += layout.lengthOf(index);
          this.#stored[index] = true;
          this.#saver?.advance();
          this.#senders.stored(index);
          this.#checkpoints.segmentStored(layout.lengthOf(index));
          this.#peers.progressed();
          // A moment later: the scheduler hears of it next, and the sources' figures add up then.
          if (isFirst)
            queueMicrotask(() => {
              if (!this.#over) this.#tell();
            });
        },
        banned: (sourceId) => {
          this.#dropped(sourceId, "segment_mismatch");
          this.#peers.lied(sourceId);
        },
        excluded: (sourceId, reason) => {
          this.#dropped(sourceId, reason);
        },
        complete: () => void this.#complete(),
        failed: (code) => {
          this.#fail(asError(code));
        },
        storeFailed: (cause) => {
          this.#fail(asStoreError(cause));
        },
      },
      (listener) => new SegmentIntake(layout, job.segmentList, store, sha256, memoryBytes, listener),
    );
    this.#peers = environment.peers;
    this.#stopProgress = every(environment.clock, PROGRESS_MS * 1_000, () => {
      this.#account();
      this.#peers.progressed(); // or not: mirrors that bring nothing do not suffice any more
      this.#tell();
    });
    if (job.place.kind === "stream") this.#tellStream();
    environment.report({ type: "opened", progress: this.#progress(), sent: this.#senders.takeNews() });
    const { fetch, headStart } = environment;
    const trouble = browserTrouble(headStart?.ahead(fetch) ?? fetch);
    for (const mirror of job.mirrors) {
      if (mirror.problem !== null) continue;
      const source = new MirrorSource(mirror.url, job.sizeBytes, trouble);
      if (mirror.url === job.link) this.#link = source;
      this.#addSource(mirror.url, "mirror", source, null, new URL(mirror.url).origin);
    }
    headStart?.close(); // every mirror's first request has been made
    const startedUs = environment.clock.nowUs();
    this.#peers.begin(
      {
        fileId: job.fileId,
        layout,
        segmentList: job.segmentList,
        missing: () => this.#missing(startedUs),
        nextNumber: () => (this.#donors += 1),
      },
      {
        sourceAdded: (sourceId, source, holdings) => {
          this.#addSource(sourceId, "peer", source, holdings);
        },
        holdingsChanged: (sourceId, holdings) => {
          this.#engine.setHoldings(sourceId, holdings);
        },
        sourceRemoved: (sourceId, code) => {
          this.#engine.removeSource(sourceId, code);
        },
      },
    );
    this.#engine.start();
  }

  /** Asks nobody for anything until {@link resume}. */
  pause(): void {
    if (this.#over) return;
    this.#engine.pause();
    this.#checkpoints.now();
  }

  resume(): void {
    if (!this.#over) this.#engine.resume();
  }

  /** The service worker that streams is gone, and nobody wanted that: another way is found, now or at the end. */
  streamGone(): void {
    if (this.#job.place.kind === "stream")
      this.#fail(new StoreError("saver_gone", "The service worker that saves this file has ended."));
    this.#stopStreamRuns();
    this.#saver?.leave();
    this.#saver = undefined;
  }

  /** The browser saves the file from now on, while the rest comes. Takes ownership of the port. */
  saveEarly(port: MessagePort): void {
    const sink = new StreamSink(port);
    if (this.#isComplete) {
      void sink.abort();
      return;
    }
    this.#saver = new FrontSaver(
      this.#layout,
      this.#store,
      sink,
      (index) => this.#stored[index] === true,
      (cause) => {
        this.#fail(cause);
      },
    );
    this.#tellStream();
  }

  /** Ends the download and forgets what was stored. The page asks for it only as long as it has handed nothing over. */
  async cancel(): Promise<void> {
    if (!this.#stop()) return;
    this.#stopStreamRuns();
    await this.#store.discard();
  }

  /** A donor that comes again keeps its row. */
  #addSource(
    sourceId: string,
    kind: "mirror" | "peer",
    source: Source,
    holdings: readonly SegmentRange[] | null,
    host: string | null = null,
  ): void {
    if (!this.#rates.has(sourceId)) this.#rates.set(sourceId, { row: this.#rates.size, meter: undefined });
    this.#engine.addSource(sourceId, kind, source, holdings, host);
  }

  /** What donors are wanted for. */
  #missing(startedUs: number): Runs {
    const ageUs = this.#environment.clock.nowUs() - startedUs;
    const missingBytes = this.#job.sizeBytes - this.#storedBytes;
    return mirrorsSuffice(this.#job.policy, this.#scheduler.sources(), missingBytes, ageUs)
      ? []
      : missingRuns(this.#stored);
  }

  #received(sourceId: string, bytes: number, endByte: number): void {
    const nowUs = this.#environment.clock.nowUs();
    const rate = this.#rates.get(sourceId);
    if (rate === undefined) return; // cannot be: bytes come from sources that were added
    rate.meter ??= new RateMeter(nowUs);
    rate.meter.add(bytes, nowUs);
    this.#total.add(bytes, nowUs);
    this.#senders.sent(rate.row, endByte - bytes, endByte);
    if (this.#isHeard) return;
    this.#isHeard = true;
    this.#tell(); // people see at once that somebody delivers; who else does, a moment later
  }

  /** The page tells the service worker again and again that its download runs, and hears whether it does. */
  #tellStream(): void {
    const { clock, report } = this.#environment;
    this.#stopStreamRuns = every(clock, STREAM_RUNS_MS * 1_000, () => {
      report({ type: "stream_runs" });
    });
  }

  #tell(): void {
    while (this.#stored[this.#front] === true) this.#front += 1;
    const behindBytes = this.#storedBytes - this.#front * this.#layout.segmentSizeBytes;
    const sent = this.#senders.takeNews();
    this.#environment.report({ type: "progress", progress: this.#progress(), sent, behindBytes });
  }

  async #complete(): Promise<void> {
    const progress = this.#progress();
    this.#isComplete = true;
    this.#stopProgress();
    this.#checkpoints.close(); // the hasher's state ends with the digest
    this.#account();
    this.#peers.close(); // all is here: donors need not wait for the digest
    this.#environment.report({ type: "progress", progress, sent: this.#senders.takeNews(), behindBytes: 0 });
    try {
      if (this.#keptBytes === 0 && this.#saver === undefined) await this.#handOver();
      const sha256Hex = await this.#hasher.digest();
      if (this.#over) return;
      if (sha256Hex !== this.#job.fileId) {
        throw this.#keptBytes === 0
          ? new IntegrityError("file_mismatch", "The whole file's SHA-256 is not the publisher's.")
          : new StoreError("store_unreadable", "The part that an earlier visit had stored is damaged.");
      }
    } catch (cause) {
      this.#fail(asStoreError(cause));
      return;
    }
    const unbound = this.#environment.clock.after(LAST_PART_MS * 1_000, () => this.#saver?.leave());
    const isSaved = (await this.#saver?.finish()) === true;
    unbound();
    if (this.#stop()) await this.#deliver(progress, isSaved);
  }

  /** Gives the page the file, whose every segment is right, while its last ones are hashed once more. */
  async #handOver(): Promise<void> {
    const stored = await this.#store.handOver?.();
    if (stored === undefined || this.#over) return;
    this.#isHandedOver = true;
    this.#environment.report({ type: "stored", stored });
  }

  async #deliver(progress: Progress, isSaved: boolean): Promise<void> {
    try {
      this.#environment.report({ type: "done", progress, isSaved, stored: await this.#store.finish() });
      this.#stopStreamRuns();
    } catch (cause) {
      this.#end(asStoreError(cause));
    }
  }

  /** The coordinator looks at mirrors that do not work, and others will not be sent there. The link is looked at here (M6). */
  #dropped(sourceId: string, code: string): void {
    const { mirrors, link, publishedAtS, pinned } = this.#job;
    if (mirrors.some(({ url }) => url === sourceId)) this.#peers.mirrorFailed(sourceId, code);
    if (sourceId !== link) return;
    const verdict = judgeLink(code, isReplaced(this.#link?.lastModifiedS ?? null, publishedAtS), pinned);
    this.#linkIsChanged = verdict === "ban";
    // Nobody is to blame, so the last word on sources is not told.
    if (verdict === "follow" && this.#stop())
      this.#end(new RefusedError("link_changed", "The link leads to another file than the coordinator knows it by."));
  }

  #fail(error: DistributeError): void {
    if (this.#over) return;
    this.#tell(); // why each source failed, which may be all within a moment
    this.#stop();
    this.#end(error);
  }

  #end(error: DistributeError): void {
    const isKept =
      error.family === "usage" ||
      error.family === "source" ||
      ROOM_CODES.has(error.code) ||
      (this.#isHandedOver && error.code !== "file_mismatch");
    this.#stopStreamRuns();
    // Told when the store has let go: the page may try another place at once.
    void (isKept ? this.#store.suspend() : this.#store.discard()).finally(() => {
      this.#environment.report({ type: "failed", family: error.family, code: error.code, message: error.message });
    });
  }

  /** Ends all that runs. @returns false when it had ended before. */
  #stop(): boolean {
    if (this.#over) return false;
    this.#over = this.#isComplete = true;
    this.#saver?.leave();
    this.#stopProgress();
    this.#account();
    this.#peers.close();
    this.#engine.close();
    this.#checkpoints.close();
    this.#hasher.close();
    return true;
  }

  /** Tells donors and coordinator what was had of whom. */
  #account(): void {
    const figures = { mirror: 0, peer: 0, rejected: 0 };
    for (const source of this.#scheduler.sources()) {
      figures[source.kind] += source.verifiedBytes;
      figures.rejected += source.rejectedBytes;
      if (source.kind === "peer") this.#peers.credited(source.sourceId, source.verifiedBytes);
    }
    this.#peers.used({
      mirrorBytes: figures.mirror,
      donorBytes: figures.peer,
      rejectedBytes: figures.rejected,
    });
  }

  #progress(): Progress {
    const nowUs = this.#environment.clock.nowUs();
    const sources = this.#scheduler.sources().map((source): SourceProgress => ({
      id: source.sourceId,
      kind: source.kind,
      bytes: source.verifiedBytes,
      rateBytesPerS: this.#rates.get(source.sourceId)?.meter?.rateBytesPerS(nowUs) ?? 0,
      state: source.state,
      problem:
        source.state === "ready"
          ? null
          : this.#linkIsChanged && source.sourceId === this.#job.link
            ? "link_changed"
            : source.reason,
    }));
    for (const { url, problem } of this.#job.mirrors) {
      if (problem !== null)
        sources.push({ id: url, kind: "mirror", bytes: 0, rateBytesPerS: 0, state: "excluded", problem });
    }
    return {
      receivedBytes: this.#storedBytes,
      keptBytes: this.#keptBytes,
      rateBytesPerS: this.#total.rateBytesPerS(nowUs),
      sources,
    };
  }
}

/**
 * One download as the page sees it: asks the coordinator, checks the manifest, runs the worker, and ends with a blob that
 * is what the publisher signed, or with an error that has a code.
 *
 * Rules:
 * - No `RTCPeerConnection` exists before {@link FileDownload.allowPeers}.
 * - Everything ends with the download: workers, connections, requests. What was stored of a cancelled download is
 *   forgotten; one that a reload, a crash or the want of sources ended goes on when it is asked for again.
 */

import type { Policy } from "../core/scheduler/messages.ts";
import { waitForOther, Broadcast } from "../saving/other-tab.ts";
import { canPickFile, Places, type PlaceOptions } from "../saving/places.ts";
import { isDistributeError, StoreError, UsageError } from "../wire/errors.ts";
import type { ErrorCode } from "../wire/messages.ts";
import type { Place, StoredFile } from "../storage/stored-file.ts";
import type { DownloadJob, FromWorker, Progress, SentRuns, ToWorker } from "../worker/messages.ts";
import type { Target } from "./coordinator.ts";
import { EarlySave } from "./early-save.ts";
import { remoteError } from "./errors.ts";
import { baseName, noteDownload, storedBlob } from "./handover.ts";
import { pageName } from "./page-name.ts";
import type { Preparation } from "./preparation.ts";
import type { TrustedFile } from "./trust.ts";
import { tell } from "./worker-code.ts";

export interface DownloadSettings {
  /** Of the same target; taken over. */
  readonly preparation: Preparation;
  readonly place: PlaceOptions;
  /** How much to spare the mirrors; default `balanced`. */
  readonly policy?: Policy | undefined;
}

export interface DownloadObserver {
  /** The manifest is right. */
  found(file: TrustedFile): void;
  /**
   * Bytes are about to come; what an earlier run had stored is there already. Comes again when the first place had no
   * room and another one takes the file.
   */
  started(progress: Progress, sent: SentRuns): void;
  progressed(progress: Progress, sent: SentRuns): void;
  /** What comes is found in the private file system from here on; null: not any more, or it lies elsewhere. */
  stores?(download: StoredIn | null): void;
  /**
   * No place has room, and one could be chosen: what was verified waits. Without this, or when it ends without a place, so
   * does the download; one that is cancelled waits for neither.
   */
  noRoom?(): Promise<FileSystemFileHandle | undefined>;
  /**
   * All segments are right and the file can be saved; the digest of the whole is still to come, and {@link FileDownload.run}
   * says whether it is right, too. Without this the file is waited for.
   *
   * @returns whether it is being saved now.
   */
  stored?(blob: Blob): boolean;
  /** The name under which the browser may save the file while it comes; undefined, or without this: it may not. */
  savedAs?(file: TrustedFile): string | undefined;
  /** Another tab has this file: so far it has come there, and what becomes of it is waited for. */
  elsewhere(progress: Progress | undefined): void;
}

/** What is needed to read a download out of the private file system, and to check it. */
export type StoredIn = Pick<
  DownloadJob,
  "fileId" | "sizeBytes" | "segmentSizeBytes" | "segmentList" | "sessionUrl" | "page"
>;

/** What is full can be helped by another place. */
const FULL: ReadonlySet<ErrorCode> = new Set(["quota_exceeded", "disk_full"]);

/** A download that ended well. */
export interface FinishedDownload {
  readonly file: TrustedFile;
  readonly progress: Progress;
  /** The whole file; null when it has left already, to the place that was picked or the browser's downloads. */
  readonly blob: Blob | null;
  /** The file's name in the private file system, for what has to be kept; null when it is not there. */
  readonly keptName: string | null;
  /** Was it saved already: by its place, by {@link DownloadObserver.stored}, or by another tab? */
  readonly saved: boolean;
}

/** Files whose saving was ended from outside: for want of room in the folder, maybe, which the private file system has. */
const interrupted = new Set<string>();

export class FileDownload {
  readonly #settings: DownloadSettings;
  readonly #observer: DownloadObserver;
  readonly #cancelled = new AbortController();
  readonly #preparation: Preparation;
  #worker: Worker | undefined;
  #peersAllowed = false;
  #isPaused = false;
  #hasTried = false;
  /** Ahead of the whole digest. */
  #isSaved = false;

  constructor(settings: DownloadSettings, observer: DownloadObserver) {
    this.#settings = settings;
    this.#observer = observer;
    this.#preparation = settings.preparation;
  }

  /**
   * Runs the download; to be called once.
   *
   * @throws DistributeError with the reason.
   * @throws the reason of {@link cancel} when it was cancelled.
   */
  async run(target: Target): Promise<FinishedDownload> {
    const signal = this.#cancelled.signal;
    const preparation = this.#preparation;
    if (this.#peersAllowed) preparation.allowPeers();
    else preparation.forbidPeers();
    preparation.seek();
    try {
      const { entry, mirrors, link } = await preparation.answer;
      const { file, segmentList } = await preparation.file;
      const [worker, hashing] = await Promise.all([preparation.downloader, preparation.hasher]);
      signal.throwIfAborted();
      this.#worker = worker;
      this.#observer.found(file);
      const job = {
        fileId: file.fileId,
        sizeBytes: file.sizeBytes,
        segmentSizeBytes: file.layout.segmentSizeBytes,
        segmentsSha256: file.segmentsSha256,
        segmentList,
        about: { name: file.name, href: "href" in target ? target.href : null },
        mirrors,
        link,
        publishedAtS: file.publishedAtS,
        pinned: file.signedBy !== null,
        sessionUrl: entry.session_url,
        policy: this.#settings.policy ?? "balanced",
        page: pageName(),
      };
      // Not only while bytes come: a browser that asks for more room, or a dialog, may take its time.
      return await new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => {
          reject(signal.reason as Error); // whatever the caller gave: it is what it gets back
        });
        this.#anywhere(file, job, { worker, hashing }).then(resolve, reject);
      });
    } finally {
      preparation.end();
    }
  }

  /** Donors may be asked from now on. */
  allowPeers(): void {
    this.#peersAllowed = true;
    this.#preparation.allowPeers();
  }

  /** Mirrors only from now on: connections to donors are closed. */
  forbidPeers(): void {
    this.#peersAllowed = false;
    this.#preparation.forbidPeers();
  }

  /** Asks nobody for anything until {@link resume}; what is stored stays. Counts in the next place, too. */
  pause(): void {
    this.#isPaused = true;
    this.#tell({ type: "pause" });
  }

  resume(): void {
    this.#isPaused = false;
    this.#tell({ type: "resume" });
  }

  /**
   * Ends the download and forgets what was stored; {@link run} throws `reason`. Does nothing when it has ended, or when the
   * browser saves the file already: that cannot be taken back, and what is left is to compare its digest.
   */
  cancel(reason: unknown = new DOMException("The download was cancelled.", "AbortError")): void {
    if (this.#isSaved) return;
    this.#tell({ type: "cancel" });
    this.#cancelled.abort(reason);
    this.#preparation.cancel(reason);
  }

  /** To the worker, if there is one. */
  #tell(message: ToWorker): void {
    if (this.#worker !== undefined) tell(this.#worker, message);
  }

  /** Tries one place after another. */
  async #anywhere(file: TrustedFile, job: Omit<DownloadJob, "place">, workers: Workers): Promise<FinishedDownload> {
    const { signal } = this.#cancelled;
    const places = new Places(file, baseName(file.name), this.#settings.place, signal);
    let failure = new StoreError("store_unreadable", "The browser gives this site no storage.");
    let place = await places.next();
    while (place !== undefined) {
      const sinceMs = Date.now();
      try {
        signal.throwIfAborted();
        const { stored, progress, isSaved } = await this.#into(places, place, file, job, workers);
        const blob = stored.kind === "delivered" ? null : await blobOf(stored);
        const keptName = stored.kind === "opfs" ? (stored.path.at(-1) ?? null) : null;
        return { file, progress, blob, keptName, saved: isSaved || this.#isSaved || blob === null };
      } catch (cause) {
        if (!isDistributeError(cause) || !(cause instanceof StoreError)) throw cause;
        if (this.#isSaved) throw cause; // not fetched a second time
        if (cause.code === "save_interrupted") {
          interrupted.add(file.fileId);
          throw cause; // the visitor's own doing, or nothing to go on with
        }
        if (cause.code === "store_in_use") {
          const other = await this.#waitForOther(file, sinceMs);
          if (other !== undefined) return other;
          this.#isPaused = false; // nothing that went on there could be seen to be paused here
          place = await places.again(place);
          continue;
        }
        failure = cause;
        place = (await places.next()) ?? (await this.#askForPlace(cause.code));
      }
    }
    throw failure;
  }

  /** Lets the visitor choose, where all else is full. */
  async #askForPlace(code: ErrorCode): Promise<Place | undefined> {
    if (!FULL.has(code) || !canPickFile()) return undefined;
    const handle = await this.#observer.noRoom?.();
    if (handle === undefined) return undefined;
    this.#isPaused = false; // who chooses a place wants it to go on
    return { kind: "file", handle };
  }

  /** Runs the job in one place. */
  async #into(
    places: Places,
    place: Place,
    file: TrustedFile,
    job: Omit<DownloadJob, "place">,
    { worker, hashing }: Workers,
  ) {
    const early = place.kind === "opfs" ? this.#earlySave(file, worker) : undefined;
    const stream = place.kind === "stream" ? places.stream : early;
    this.#observer.stores?.(place.kind === "opfs" ? job : null);
    const broadcast = new Broadcast(job.fileId);
    const toHasher = new MessageChannel();
    const ended = this.#outcome(worker, hashing, (message) => {
      if (message.type === "progress") {
        broadcast.progressed(message.progress);
        early?.progressed(message.progress, message.behindBytes);
      } else if (message.type === "stream_runs" && stream?.runs() === false) tell(worker, { type: "stream_gone" });
    });
    try {
      tell(hashing, { type: "hash", port: toHasher.port1 }, [toHasher.port1]);
      const ports = [toHasher.port2];
      if (place.kind === "stream") {
        noteDownload();
        ports.push(place.port);
      }
      tell(worker, { type: "download", job: { ...job, place }, hasher: toHasher.port2 }, ports);
      if (this.#isPaused) this.pause();
      if (this.#hasTried) this.#preparation.renewPeers();
      this.#hasTried = true;
      return await ended;
    } finally {
      broadcast.close();
      stream?.close();
    }
  }

  /** Undefined where it is not wanted, or the site has no service worker of ours. Chromium alone was measured. */
  #earlySave(file: TrustedFile, worker: Worker): EarlySave | undefined {
    const name = this.#observer.savedAs?.(file);
    const { serviceWorkerUrl } = this.#settings.place;
    if (name === undefined || serviceWorkerUrl === null || !canPickFile() || interrupted.has(file.fileId))
      return undefined;
    return new EarlySave(serviceWorkerUrl, name, file.sizeBytes, (port) => {
      tell(worker, { type: "save_early", port }, [port]);
    });
  }

  /** @returns the file, when the other tab has finished it. */
  async #waitForOther(file: TrustedFile, sinceMs: number): Promise<FinishedDownload | undefined> {
    let progress: Progress = { receivedBytes: 0, keptBytes: 0, rateBytesPerS: 0, sources: [] };
    this.#observer.elsewhere(undefined);
    const other = await waitForOther(file.fileId, sinceMs, this.#cancelled.signal, (now) => {
      progress = now;
      this.#observer.elsewhere(now);
    });
    return other && { file, progress, ...other, keptName: other.blob.name };
  }

  /** A file that cannot be read back now is waited for like any other. */
  async #stored(stored: StoredFile, isOver: () => boolean): Promise<void> {
    if (this.#observer.stored === undefined || stored.kind === "delivered") return;
    const blob = await storedBlob(stored).catch(() => undefined);
    if (blob !== undefined && !isOver()) this.#isSaved = this.#observer.stored(blob);
  }

  #outcome(
    worker: Worker,
    hashing: Worker,
    heard: (message: FromWorker) => void,
  ): Promise<Extract<FromWorker, { type: "done" }>> {
    return new Promise((finish, fail) => {
      let storing = Promise.resolve();
      let isOver = false;
      this.#cancelled.signal.addEventListener("abort", () => {
        isOver = true;
        fail(this.#cancelled.signal.reason as Error); // whatever the caller gave: it is what it gets back
      });
      worker.onerror = (event) => {
        fail(new StoreError("store_unreadable", `The download worker failed: ${event.message}`));
      };
      // Without it there is no digest to wait for, in no place.
      hashing.onerror = (event) => {
        isOver = true;
        fail(new UsageError("part_unavailable", `The hashing worker failed: ${event.message}`));
      };
      worker.onmessage = (event: MessageEvent<FromWorker>) => {
        const message = event.data;
        heard(message);
        if (message.type === "opened") this.#observer.started(message.progress, message.sent);
        else if (message.type === "progress") this.#observer.progressed(message.progress, message.sent);
        else if (message.type === "stored") storing = this.#stored(message.stored, () => isOver);
        else if (message.type === "done")
          void storing.then(() => {
            finish(message);
          });
        else if (message.type === "failed") {
          isOver = true; // what was refused is not handed over any more
          void storing.then(() => {
            fail(remoteError(message));
          });
        }
      };
    });
  }
}

/** The two workers of a download. */
interface Workers {
  readonly worker: Worker;
  readonly hashing: Worker;
}

async function blobOf(stored: Exclude<StoredFile, { kind: "delivered" }>): Promise<Blob> {
  try {
    return await storedBlob(stored);
  } catch (cause) {
    throw new StoreError("store_unreadable", "The stored file cannot be read back.", { cause });
  }
}

/** `download()` of the npm module. */

import type { Policy } from "../core/scheduler/messages.ts";
import type { Progress } from "../worker/messages.ts";
import type { Target } from "./coordinator.ts";
import { FileDownload, type FinishedDownload, type StoredIn } from "./file-download.ts";
import { baseName, saveBlob } from "./handover.ts";
import { adviceOn } from "./policy-advice.ts";
import { Preparation } from "./preparation.ts";
import { peersAllowed, type PeersPolicy } from "./preferences.ts";
import { SHARE_KEY } from "../share/messages.ts";
import { shareDownload, unshare } from "../share/module.ts";
import type { ShareState } from "../share/share-control.ts";
import { tellSaved } from "../saving/other-tab.ts";
import { StoredChoice, type Choice } from "./stored-choice.ts";
import { WorkerFactory } from "./worker-code.ts";

/** The worker's whole text, written by the build: the module needs no file beside it. */
declare const __DIO_WORKER__: string;

export interface DownloadOptions {
  /** The coordinator's address, for example `https://dio.example`. */
  readonly coordinator: string;
  /** Pinned publisher key or keys, `ed25519:…`. Without one the result's `signedBy` is null. */
  readonly key?: string | readonly string[];
  /**
   * May donors be asked? Default `on`. `ask` asks nobody before the visitor chose it in a panel on this site. The visitor's
   * own "mirrors only" always wins.
   */
  readonly peers?: PeersPolicy;
  /**
   * `on`: what was downloaded is given to others while the page is open, within the limits of docs/reference/page.md. Only
   * after a person agreed, who is shown what `onShare` tells and can stop it (`stopSharing`). Default `off`. The visitor's
   * "mirrors only", and a "no" in a panel on this site, always win.
   */
  readonly share?: Choice;
  /** Called about once a second while this page shares. */
  readonly onShare?: (state: ShareState) => void;
  /**
   * How much to spare the mirrors. `balanced` (default): they are asked for what donors hold only where that saves time
   * worth speaking of; `spare-mirrors`: never, while a donor delivers; `fast`: everybody is asked for anything.
   */
  readonly policy?: Policy;
  /** Ends the download and forgets what came so far; the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called at the start, with what an earlier visit had stored, and about four times a second from then on. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /**
   * `save`: the browser's download folder, too; it begins to save the file when all segments are right, and the promise is
   * rejected with `file_mismatch` should the whole file's digest still be wrong. A stream gets the verified file. A file that the visitor picked gets each
   * segment in its turn, and nothing is stored besides. Default: none.
   */
  readonly sink?: "save" | WritableStream<Uint8Array> | FileSystemFileHandle;
  /** Our service worker on the page's own site, for files for which the browser has no other room. */
  readonly serviceWorker?: string;
  /** A worker script on the page's own origin, for pages whose CSP forbids blob workers. */
  readonly worker?: string;
}

/** A moment of a download. */
export interface DownloadProgress extends Progress {
  readonly name: string;
  readonly sizeBytes: number;
}

export interface DownloadResult {
  /** Of the whole file, hexadecimal. */
  readonly sha256: string;
  /** The pinned key that signed it; null when none was pinned. */
  readonly signedBy: string | null;
  /** As the publisher signed it; may have folders. */
  readonly name: string;
  /**
   * The whole verified file. Where the browser has a private file system it lies there, for a day, not in memory. Null
   * when it went through a service worker to the download folder, and is nowhere else.
   */
  readonly blob: Blob | null;
  /** The file that was given as `sink`; null when none was. */
  readonly handle: FileSystemFileHandle | null;
  /** Verified bytes by source. */
  readonly bytesBySource: readonly {
    readonly source: string;
    readonly kind: "mirror" | "peer";
    readonly bytes: number;
  }[];
}

let bundled: WorkerFactory | undefined;

const chosenSharing = new StoredChoice(SHARE_KEY);

/**
 * Downloads a file from mirrors and donors, every byte checked.
 *
 * @param hrefOrFileId a link to the file (any of its mirrors), or its id: 64 hexadecimal digits.
 * A download that a reload or a crash ended goes on where it was when it is asked for again.
 *
 * @throws DistributeError with a stable `code`; what `signal` says when it was aborted. Nothing follows the plain link.
 */
export async function download(hrefOrFileId: string, options: DownloadOptions): Promise<DownloadResult> {
  const { signal, sink } = options;
  const handle = sink !== undefined && sink !== "save" && "createWritable" in sink ? sink : undefined;
  signal?.throwIfAborted();
  let file: Pick<DownloadProgress, "name" | "sizeBytes"> = { name: "", sizeBytes: 0 };
  let shared: StoredIn | undefined;
  let tellStored: ReturnType<typeof shareDownload>;
  const coordinatorUrl = new URL(options.coordinator, location.href).href.replace(/\/+$/, "");
  const keys = typeof options.key === "string" ? options.key.split(/\s+/) : (options.key ?? []);
  const target = targetOf(hrefOrFileId);
  const preparation = new Preparation(
    { coordinatorUrl, keys, workers: workersOf(options), advice: adviceOn(coordinatorUrl) },
    target,
  );
  const running = new FileDownload(
    {
      preparation,
      place: { handle, serviceWorkerUrl: options.serviceWorker ?? null },
      policy: options.policy,
    },
    {
      found: ({ name, sizeBytes }) => {
        file = { name, sizeBytes };
      },
      savedAs: ({ name }) => (sink === "save" ? baseName(name) : undefined),
      elsewhere: (progress) => progress && options.onProgress?.({ ...file, ...progress }),
      stored: (blob) => {
        if (sink === "save") saveBlob(blob, baseName(file.name));
        return sink === "save";
      },
      stores: (stored) => {
        if (shared !== undefined) unshare(shared.fileId);
        shared = stored ?? undefined;
        tellStored = shared && isShared(options) ? shareDownload(shared, options, () => isShared(options)) : undefined;
      },
      started: (progress, sent) => {
        tellStored?.(sent);
        options.onProgress?.({ ...file, ...progress });
      },
      progressed: (progress, sent) => {
        tellStored?.(sent);
        options.onProgress?.({ ...file, ...progress });
      },
    },
  );
  if (peersAllowed(options.peers ?? "on") === "on") running.allowPeers();
  const abort = () => {
    running.cancel(signal?.reason);
  };
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const finished = await running.run(target);
    const blob = finished.blob ?? (await handle?.getFile()) ?? null;
    // Another tab may have the file already: then the one that was given is still empty.
    const pipe = sink instanceof WritableStream ? sink : finished.blob && (await handle?.createWritable());
    if (blob !== null && pipe) await blob.stream().pipeTo(pipe, signal === undefined ? {} : { signal });
    else if (blob !== null && sink === "save") {
      if (!finished.saved) saveBlob(blob, baseName(finished.file.name));
      tellSaved(finished.file.fileId);
    }
    return { ...resultOf(finished), blob, handle: handle ?? null };
  } catch (cause) {
    // Whoever asked for it has nothing of it, and gives nothing of it.
    if (shared !== undefined) unshare(shared.fileId);
    throw cause;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

/** Who fetches from mirrors only does not give either; and a "no" in a panel holds here, too. */
function isShared({ share, peers }: DownloadOptions): boolean {
  return share === "on" && peersAllowed(peers ?? "on") === "on" && chosenSharing.get() !== "off";
}

function workersOf(options: DownloadOptions): WorkerFactory {
  if (options.worker !== undefined) return new WorkerFactory({ kind: "installed", url: options.worker });
  return (bundled ??= new WorkerFactory({ kind: "text", text: __DIO_WORKER__ }));
}

function targetOf(hrefOrFileId: string): Target {
  return /^[0-9a-f]{64}$/.test(hrefOrFileId)
    ? { fileId: hrefOrFileId }
    : { href: new URL(hrefOrFileId, location.href).href };
}

function resultOf({ file, progress }: FinishedDownload): Omit<DownloadResult, "blob" | "handle"> {
  return {
    sha256: file.fileId,
    signedBy: file.signedBy,
    name: file.name,
    bytesBySource: progress.sources
      .filter((source) => source.bytes > 0)
      .map(({ id, kind, bytes }) => ({ source: id, kind, bytes })),
  };
}

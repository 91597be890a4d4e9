/** Sharing for the npm module: what `download()` does with its option `share`, without a panel. */

import { donorWorker } from "../donate/bundled-worker.ts";
import { WorkerFactory } from "../download/worker-code.ts";
import type { StoredIn } from "../download/file-download.ts";
import type { SentRuns } from "../worker/messages.ts";
import { ShareControl, type ShareState } from "./share-control.ts";

type Told = (state: ShareState) => void;

/** The page's one sharer, of the first coordinator that it was asked for; and who is told how it goes, by file. */
let control: ShareControl | undefined;
let sessionUrl = "";
const listeners = new Map<string, Told>();
let isWanted = () => false;

/**
 * Shares a download from now on, until {@link stopSharing} or the page is left.
 *
 * @param options `onShare` is called about once a second with how it goes; `worker`: where the download's is installed.
 * @param wanted whether the visitor, and the page, still want it; the last download's word counts.
 * @returns what is to be called with what was stored; undefined for a file of another coordinator, which is not shared.
 */
export function shareDownload(
  download: StoredIn,
  { onShare, worker }: { readonly onShare?: Told | undefined; readonly worker?: string | undefined },
  wanted: () => boolean,
): ((sent: SentRuns) => void) | undefined {
  if (control === undefined) {
    // Beside the download's worker, where a page has installed that.
    const installed = worker && new URL("donor-worker.js", new URL(worker, location.href)).href;
    const workers = new WorkerFactory(donorWorker(installed));
    sessionUrl = download.sessionUrl;
    control = new ShareControl(
      workers,
      download,
      (state) => {
        for (const listener of new Set(listeners.values())) listener(state);
      },
      () => isWanted(),
    );
  }
  if (download.sessionUrl !== sessionUrl) return undefined;
  const own = control;
  if (onShare !== undefined) listeners.set(download.fileId, onShare);
  isWanted = wanted;
  own.add(download);
  void own.start();
  return (sent) => {
    own.stored(download.fileId, sent);
  };
}

/** A download that was shared is gone. */
export function unshare(fileId: string): void {
  control?.drop(fileId);
  listeners.delete(fileId);
}

/** Stops sharing on this page, at once. A later download with `share` begins it again. */
export function stopSharing(): void {
  control?.stop();
  listeners.clear();
}

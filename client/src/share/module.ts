/** Sharing for the npm module: what `download()` does with its option `share`, without a panel. */

import { donorWorker } from "../donate/bundled-worker.ts";
import { WorkerFactory } from "../download/worker-code.ts";
import type { StoredIn } from "../download/file-download.ts";
import type { SentRuns } from "../worker/messages.ts";
import { ShareControl, type ShareState } from "./share-control.ts";

/** The page's one sharer, of the first coordinator that it was asked for; and who is told how it goes. */
let control: ShareControl | undefined;
let sessionUrl = "";
const listeners = new Set<(state: ShareState) => void>();

/**
 * Shares a download from now on, until {@link stopSharing} or the page is left.
 *
 * @param told called about once a second with how it goes.
 * @returns what is to be called with what was stored; undefined for a file of another coordinator, which is not shared.
 */
export function shareDownload(
  download: StoredIn,
  told: ((state: ShareState) => void) | undefined,
  workerUrl: string | undefined,
): ((sent: SentRuns) => void) | undefined {
  if (control === undefined) {
    // Beside the download's worker, where a page has installed that.
    const installed = workerUrl && new URL("donor-worker.js", new URL(workerUrl, location.href)).href;
    const workers = new WorkerFactory(donorWorker(installed));
    sessionUrl = download.sessionUrl;
    control = new ShareControl(workers, download, (state) => {
      for (const listener of listeners) listener(state);
    });
  }
  if (download.sessionUrl !== sessionUrl) return undefined;
  const own = control;
  if (told !== undefined) listeners.add(told);
  own.add(download);
  void own.start();
  return (sent) => {
    own.stored(download.fileId, sent);
  };
}

/** A download that was shared is gone. */
export function unshare(fileId: string): void {
  control?.drop(fileId);
}

/** Stops sharing on this page, at once. A later download with `share` begins it again. */
export function stopSharing(): void {
  control?.stop();
  listeners.clear();
}

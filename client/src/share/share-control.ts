/**
 * The window's half of sharing: what the visitor chose, the worker that serves, the connections, and the one lock of
 * whoever gives on this site.
 *
 * Rules:
 * - Nothing is loaded, and no connection exists, before {@link ShareControl.start}.
 * - {@link ShareControl.stop} closes all connections here and now; what the worker says after that is only for the books.
 * - While another tab gives, as a donor or by sharing, this one waits: limits hold for the site, not for each tab.
 * - What the visitor says in one tab holds in all of them: a "no" ends it here, too, and whoever waited asks again first.
 * - Charges of the budgets are kept in the site's `localStorage`, with those of its donor page: one budget for both. Where that
 *   cannot be had, nothing is given. What was chosen on that page is not exceeded here.
 */

import { watchDevice } from "../donate/device-state.ts";
import { GIVING_LOCK } from "../donate/messages.ts";
import { DONOR_KEY } from "../donate/remembered.ts";
import { keepSiteCharge, siteCharge } from "../donate/site-charge.ts";
import type { WorkerFactory } from "../download/worker-code.ts";
import { browserWindow, canConnect, RtcHost } from "../transport/rtc-host.ts";
import type { SentRuns } from "../worker/messages.ts";
import type { FromSharer, SharedFile, ShareStart, ShareStatus, ToSharer } from "./messages.ts";

export type ShareState =
  | { readonly is: "off" }
  | { readonly is: "starting" }
  /** Another tab of this browser gives for this site. */
  | { readonly is: "elsewhere" }
  | { readonly is: "on"; readonly status: ShareStatus }
  /** It cannot be done on this page. */
  | { readonly is: "failed" };

/** A download on its way or finished, as it is shared. */
interface Download {
  readonly file: SharedFile;
  /** What the worker has been told, or will be when it runs. */
  readonly runs: (readonly [start: number, end: number])[];
}

/** The worker has so long to put its books in order. */
const GOODBYE_MS = 1_000;

export class ShareControl {
  readonly #workers: WorkerFactory;
  readonly #start: Pick<ShareStart, "sessionUrl" | "page">;
  readonly #changed: (state: ShareState) => void;
  readonly #isWanted: () => boolean;
  readonly #downloads = new Map<string, Download>();
  #state: ShareState = { is: "off" };
  #worker: Worker | undefined;
  #running: AbortController | undefined;

  /**
   * @param workers start the donor worker.
   * @param start the coordinator's session, and this page's name.
   * @param changed told of every change, about once a second.
   * @param isWanted what the visitor says by now, in whichever tab.
   */
  constructor(
    workers: WorkerFactory,
    start: Pick<ShareStart, "sessionUrl" | "page">,
    changed: (state: ShareState) => void,
    isWanted: () => boolean,
  ) {
    this.#workers = workers;
    this.#start = start;
    this.#changed = changed;
    this.#isWanted = isWanted;
  }

  get state(): ShareState {
    return this.#state;
  }

  /** A download to share, while that is on: what was stored of it is told by {@link stored}. */
  add(file: SharedFile): void {
    this.#downloads.set(file.fileId, { file, runs: [] });
    this.#tell({ type: "share_file", file });
  }

  /** Segments of a download were found right and stored. */
  stored(fileId: string, sent: SentRuns): void {
    const runs: [number, number][] = [];
    for (let at = 0; at + 1 < sent.length; at += 3) {
      const [start = 0, count = 0] = sent.subarray(at, at + 2);
      runs.push([start, start + count]);
    }
    const download = this.#downloads.get(fileId);
    if (download === undefined || runs.length === 0) return;
    download.runs.push(...runs);
    this.#tell({ type: "share_stored", fileId, runs });
  }

  /** A download whose bytes are no longer there. */
  drop(fileId: string): void {
    this.#downloads.delete(fileId);
    this.#tell({ type: "share_drop", fileId });
  }

  /** Begins to share, as soon as no other tab of this site gives. Never throws. */
  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    const running = new AbortController();
    this.#running = running;
    const { signal } = running;
    const tabs = new BroadcastChannel(GIVING_LOCK);
    tabs.onmessage = ({ data }: MessageEvent<{ readonly type: string }>) => {
      if (data.type === "stop") this.stop(); // a donor page of this site, asked by the visitor
    };
    // Another tab of this site wrote down what the visitor chose there.
    const heedOthers = () => {
      if (this.#stopUnlessWanted()) this.#tell({ type: "share_chosen", chosen: chosenForDonors() });
    };
    addEventListener("storage", heedOthers, { signal });
    this.#set({ is: "starting" });
    try {
      if (!canConnect()) throw new Error("not possible here");
      const { held } = await navigator.locks.query();
      // Our own last worker may still be putting its books in order: that is nobody else.
      const isElsewhere = this.#worker === undefined && held?.some(({ name }) => name === GIVING_LOCK) === true;
      if (isElsewhere && !signal.aborted) this.#set({ is: "elsewhere" });
      await navigator.locks.request(GIVING_LOCK, { signal }, async () => {
        if (this.#stopUnlessWanted()) await this.#serve(signal);
      });
    } catch {
      if (!signal.aborted) this.#set({ is: "failed" });
    } finally {
      tabs.close();
      running.abort(); // no more heed of other tabs, however it ended
      if (this.#running === running) this.#running = undefined;
    }
  }

  /** Stops at once; what is shared now can be shared again. */
  stop(): void {
    if (this.#running === undefined) return;
    this.#running.abort();
    this.#running = undefined;
    this.#set({ is: "off" });
  }

  /** @returns whether sharing is still wanted. */
  #stopUnlessWanted(): boolean {
    const isWanted = this.#isWanted();
    if (!isWanted) this.stop();
    return isWanted;
  }

  /** Serves until the signal says stop. @throws Error when the worker cannot run here. */
  async #serve(signal: AbortSignal): Promise<void> {
    if (!keepSiteCharge(siteCharge())) throw new Error("nothing can be counted here");
    const worker = await this.#workers.start();
    if (signal.aborted) {
      worker.terminate();
      return;
    }
    const { port1, port2 } = new MessageChannel();
    const host = new RtcHost(port1, browserWindow(), [], true);
    const stop = new AbortController();
    // Connections first: from here on nobody gets a byte.
    signal.addEventListener("abort", () => {
      host.close();
    });
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<FromSharer>) => {
      if (data.type === "share_charge" && keepSiteCharge(data.charged)) this.#tell({ type: "share_charged" });
      if (data.type === "share_status" && !signal.aborted && this.#stopUnlessWanted())
        this.#set({ is: "on", status: data.status });
      if (data.type === "share_stopped") {
        keepSiteCharge(data.charged);
        stop.abort();
      }
    };
    const start: ShareStart = { ...this.#start, charged: siteCharge(), chosen: chosenForDonors() };
    this.#tell({ type: "share", start, rtc: port2 }, [port2]);
    const unwatch = watchDevice((device) => {
      this.#tell({ type: "share_device", device });
    });
    for (const { file, runs } of this.#downloads.values()) {
      this.#tell({ type: "share_file", file });
      this.#tell({ type: "share_stored", fileId: file.fileId, runs });
    }
    try {
      await new Promise<void>((resolve, reject) => {
        worker.onerror = reject;
        signal.addEventListener("abort", () => {
          resolve();
        });
      });
      this.#tell({ type: "share_stop" });
      await Promise.race([over(stop.signal), over(AbortSignal.timeout(GOODBYE_MS))]);
    } finally {
      unwatch();
      host.close();
      worker.terminate();
      this.#worker = undefined;
    }
  }

  #set(state: ShareState): void {
    this.#state = state;
    this.#changed(state);
  }

  #tell(message: ToSharer, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(message, transfer);
  }
}

function over(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => {
      resolve();
    });
  });
}

/** What the person chose on the donor page of this site, as it is written down; null where nothing is. */
function chosenForDonors(): string | null {
  try {
    return localStorage.getItem(DONOR_KEY);
  } catch {
    return null;
  }
}

/**
 * The window's half of a donor: starts and ends the worker, keeps the connections, makes sure that there is one donor per
 * browser profile and site.
 *
 * Rules:
 * - Nothing runs, and no connection exists, before `start`.
 * - A Web Lock is held while donating: it keeps a second tab from donating, and the browser from freezing this one.
 * - Limits that are changed hold from then on, whatever it does at that moment: a start that is under way begins with them, and
 *   what is stored above a smaller limit goes as soon as nothing else has the store.
 * - The tab that donates tells the others how it goes, and stops when one of them says so.
 */

import { NOTHING_CHARGED, type Charged } from "../core/allowance.ts";
import type { WorkerFactory } from "../download/worker-code.ts";
import { browserWindow, RtcHost } from "../transport/rtc-host.ts";
import { decodeBody } from "../wire/decode.ts";
import { DistributeError, StoreError, UsageError } from "../wire/errors.ts";
import { CAUSE_LIST_FIELDS } from "../wire/messages.ts";
import { watchDevice, watchPressure } from "./device-state.ts";
import { localTime } from "./local-time.ts";
import { GIVING_LOCK, type DonorSettings, type DonorStatus, type FromDonor, type ToDonor } from "./messages.ts";
import { forgetSiteCharge, keepSiteCharge, siteCharge } from "./site-charge.ts";

export type DonorState =
  /** `erased`: nothing of what was held is left, since a moment ago. */
  | { readonly is: "off"; readonly erased: boolean }
  | { readonly is: "starting" }
  | { readonly is: "running"; readonly status: DonorStatus }
  | { readonly is: "stopping"; readonly erasing: boolean }
  /** What is stored above a smaller limit is being removed, though nothing is given. */
  | { readonly is: "freeing" }
  /** Another tab of this browser donates for this site; `status` as soon as it has told. */
  | { readonly is: "elsewhere"; readonly status: DonorStatus | null }
  | { readonly is: "failed"; readonly error: DistributeError };

export interface DonorPlace {
  /** Without a slash at the end. */
  readonly coordinatorUrl: string;
  readonly workers: WorkerFactory;
  /** Secret of the person's code in hex (core/tally-code.ts), under which credit is added up; asked at each start. */
  readonly tallySecret?: () => string;
}

/** What tabs of one site say to each other. */
type Told = { readonly type: "status"; readonly status: DonorStatus } | { readonly type: "stop" };

/** A coordinator that does not answer within this is asked for its session where one usually is. */
const ASK_TIMEOUT_MS = 5_000;

/**
 * Where a coordinator's session is, as it tells itself: it may be another port or host.
 *
 * A coordinator that does not answer now has one at the usual address, as far as is known: the donor goes on trying there.
 */
export async function sessionUrlOf(coordinatorUrl: string): Promise<string> {
  try {
    const response = await fetch(`${coordinatorUrl}/api/v1/causes`, { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
    if (response.ok) return decodeBody(CAUSE_LIST_FIELDS, await response.json()).session_url;
  } catch {
    // Not there, or not to be understood: see above.
  }
  const url = new URL(`${coordinatorUrl}/api/v1/ws`);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

export class DonorControl {
  readonly #place: DonorPlace;
  readonly #changed: (state: DonorState) => void;
  readonly #tabs = new BroadcastChannel(GIVING_LOCK);
  #state: DonorState = { is: "off", erased: false };
  #worker: Worker | undefined;
  #host: RtcHost | undefined;
  #release: (() => void) | undefined;
  #unwatchDevice: (() => void) | undefined;
  /** What the site's count was set to last. */
  #kept: Charged = NOTHING_CHARGED;
  /** The latest limits: a worker that starts gets these. */
  #settings: DonorSettings | undefined;
  /** A smaller limit of storage, in bytes, until what is above it is known to go. */
  #toFree: number | undefined;
  /** The start that counts: whatever ends a donor voids the start that is under way. */
  #startNumber = 0;

  /** @param changed called on every change of the state, at most some times a second. */
  constructor(place: DonorPlace, changed: (state: DonorState) => void) {
    this.#place = place;
    this.#changed = changed;
    this.#tabs.onmessage = (event: MessageEvent<Told>) => {
      this.#hear(event.data);
    };
  }

  get state(): DonorState {
    return this.#state;
  }

  /**
   * Starts donating, unless it is done already, here or in another tab. Never throws: the state says what became of it.
   *
   * @param first done before anything is given, when nobody else on this site gives any more; false: not to start.
   */
  async start(settings: DonorSettings, first: () => Promise<boolean> = () => Promise.resolve(true)): Promise<void> {
    if (this.#state.is !== "off" && this.#state.is !== "failed" && this.#state.is !== "elsewhere") return;
    this.change(settings);
    this.#startNumber += 1;
    const own = this.#startNumber;
    this.#set({ is: "starting" });
    let release: (() => void) | undefined;
    try {
      release = await this.#lock();
    } catch (error) {
      if (own === this.#startNumber) this.#fail(asError(error)); // a policy forbids locks
      return;
    }
    if (own !== this.#startNumber) {
      release?.(); // stopped meanwhile: stop means stop
      return;
    }
    if (release === undefined) {
      this.#setElsewhere(null);
      return;
    }
    this.#release = release;
    try {
      const mayStart = await first();
      if (own !== this.#startNumber) return;
      if (!mayStart) {
        this.#end({ is: "off", erased: false });
        return;
      }
      const { coordinatorUrl } = this.#place;
      const [worker, sessionUrl] = await Promise.all([this.#place.workers.start(), sessionUrlOf(coordinatorUrl)]);
      if (own !== this.#startNumber) {
        worker.terminate();
        return;
      }
      this.#heed(worker);
      const { port1, port2 } = new MessageChannel();
      this.#host = new RtcHost(port1, browserWindow(), [], true);
      const tallySecret = this.#place.tallySecret?.() ?? "";
      const start = {
        coordinatorUrl,
        sessionUrl,
        settings: this.#settings ?? settings,
        tallySecret,
        charged: siteCharge(),
      };
      this.#tell({ type: "start", start, rtc: port2 }, [port2]);
      const unwatch = [
        watchDevice((device) => {
          this.#tell({ type: "device", device });
        }),
        watchPressure((pressure) => {
          this.#tell({ type: "pressure", pressure });
        }),
      ];
      this.#unwatchDevice = () => {
        for (const end of unwatch) end();
      };
    } catch (error) {
      if (own === this.#startNumber) this.#fail(asError(error));
    }
  }

  /** New limits. They hold at once, also for what a donor stores. */
  change(settings: DonorSettings): void {
    this.#settings = settings;
    if (this.#toFree !== undefined) this.#toFree = settings.storageBytes;
    this.#tell({ type: "change", settings });
  }

  /** A smaller limit of storage: what is above it goes, also while it is off, at once or when what is under way has ended. */
  async free(storageBytes: number): Promise<void> {
    this.#toFree = storageBytes;
    if (this.#state.is === "off" || this.#state.is === "failed") await this.#free();
  }

  async #free(): Promise<void> {
    this.#set({ is: "freeing" });
    if (!(await this.#startKeeper()) || this.#toFree === undefined) return;
    this.#tell({ type: "free", storageBytes: this.#toFree });
    this.#toFree = undefined;
  }

  /** Stops at once; with `erase` nothing of what was held is left. In whichever tab it runs. */
  async stop(erase: boolean): Promise<void> {
    if (this.#state.is === "elsewhere") {
      this.#tabs.postMessage({ type: "stop" } satisfies Told);
      return;
    }
    if (this.#state.is === "stopping" || this.#state.is === "freeing") return;
    this.#startNumber += 1;
    this.#set({ is: "stopping", erasing: erase });
    // All connections end here and now; the worker puts its store in order.
    this.#host?.close();
    this.#host = undefined;
    if (this.#worker === undefined && erase && !(await this.#startKeeper())) return;
    if (this.#worker === undefined) this.#end({ is: "off", erased: false });
    else this.#tell({ type: erase ? "erase" : "stop" });
  }

  /**
   * Starts a worker that erases, or frees, of what an earlier visit left.
   *
   * @returns false when it cannot, or must not: another tab gives from that store by now, which is shown.
   */
  async #startKeeper(): Promise<boolean> {
    try {
      this.#release ??= await this.#lock();
      if (this.#release === undefined) {
        this.#setElsewhere(null);
        return false;
      }
      this.#heed(await this.#place.workers.start());
      return true;
    } catch (error) {
      this.#fail(asError(error));
      return false;
    }
  }

  #heed(worker: Worker): void {
    this.#worker = worker;
    worker.onmessage = (event: MessageEvent<FromDonor>) => {
      this.#report(event.data);
    };
    worker.onerror = () => {
      this.#fail(new UsageError("part_unavailable", "The donor worker broke down. Please reload the page."));
    };
  }

  #hear(told: Told): void {
    if (told.type === "stop") {
      if (this.#state.is === "running" || this.#state.is === "starting") void this.stop(false);
    } else if (this.#release === undefined) {
      this.#setElsewhere(told.status);
    }
  }

  #report(message: FromDonor): void {
    switch (message.type) {
      case "ready":
        return;
      case "status":
        this.#tell({ type: "heard" });
        this.#keepCharge(message.status);
        if (this.#toFree !== undefined && message.status.usedBytes <= this.#toFree) this.#toFree = undefined;
        if (this.#state.is === "stopping") return;
        this.#tabs.postMessage({ type: "status", status: message.status } satisfies Told);
        this.#set({ is: "running", status: message.status });
        return;
      case "stopped":
        if (message.erased) forgetSiteCharge();
        this.#end({ is: "off", erased: message.erased });
        return;
      case "failed":
        this.#fail(new StoreError(message.code, message.message));
    }
  }

  /** Whoever gives on this site after this donor starts from what it gave. */
  #keepCharge({ sentTodayBytes: dayBytes, sentThisMonthBytes: monthBytes }: DonorStatus): void {
    const { day, month } = localTime();
    if (dayBytes === this.#kept.dayBytes && monthBytes === this.#kept.monthBytes) return;
    const ahead = siteCharge()?.ahead;
    this.#kept = { day, dayBytes, month, monthBytes, ...(ahead && { ahead }) };
    keepSiteCharge(this.#kept);
  }

  #fail(error: DistributeError): void {
    this.#end({ is: "failed", error });
  }

  #end(state: DonorState): void {
    this.#startNumber += 1;
    this.#unwatchDevice?.();
    this.#unwatchDevice = undefined;
    this.#host?.close();
    this.#host = undefined;
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#release?.();
    this.#release = undefined;
    this.#set(state);
  }

  #setElsewhere(status: DonorStatus | null): void {
    const news = this.#state.is !== "elsewhere";
    this.#set({ is: "elsewhere", status });
    if (news) void this.#awaitLock();
  }

  /** Waits until no other tab donates any more, also because it was closed or crashed, and gives the lock back. */
  async #awaitLock(): Promise<void> {
    await navigator.locks.request(GIVING_LOCK, () => undefined);
    if (this.#state.is === "elsewhere") this.#set({ is: "off", erased: false });
  }

  #set(state: DonorState): void {
    this.#state = state;
    this.#changed(state);
    if (state.is !== "off") return;
    if (state.erased) this.#toFree = undefined;
    else if (this.#toFree !== undefined) void this.#free();
  }

  #tell(message: ToDonor, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(message, transfer);
  }

  /** Takes the lock of this site. @returns what gives it back; undefined when it was not free. */
  #lock(): Promise<(() => void) | undefined> {
    return new Promise((resolve, reject) => {
      navigator.locks
        .request(GIVING_LOCK, { ifAvailable: true }, (lock) => {
          if (lock === null) {
            resolve(undefined);
            return undefined;
          }
          return new Promise<void>((release) => {
            resolve(release);
          });
        })
        .catch(reject);
    });
  }
}

function asError(cause: unknown): DistributeError {
  return cause instanceof DistributeError
    ? (cause as DistributeError) // as: instanceof gives `any`
    : new UsageError("part_unavailable", "A part of this page could not be loaded. Please reload it.", { cause });
}

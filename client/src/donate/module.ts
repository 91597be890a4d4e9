/** `donate()` of the npm module. */

import { WorkerFactory } from "../download/worker-code.ts";
import { NO_LIMITS, type AllowanceLimits } from "../core/allowance.ts";
import { toHex } from "../core/hex.ts";
import { readTallyCode } from "../core/tally-code.ts";
import { canConnect } from "../transport/rtc-host.ts";
import { StoreError, UsageError, type DistributeError } from "../wire/errors.ts";
import { donorWorker } from "./bundled-worker.ts";
import { DonorControl, type DonorState } from "./donor-control.ts";
import { TAKERS_MAX, type DonorSettings, type DonorStatus } from "./messages.ts";
import { STORAGE_BYTES_MIN } from "./remembered.ts";

export interface DonateOptions {
  /** The coordinator's address, for example `https://dio.example`. */
  readonly coordinator: string;
  /** Bytes of all files that may be stored, index included. Default 16 MB, which is also the least. */
  readonly storageBytes?: number;
  /** Bytes per second that may be sent, to all downloaders together. Default 1 MB/s. */
  readonly upBytesPerS?: number;
  /** Downloaders served at once, at most. Default and most: 8. */
  readonly takersMax?: number;
  /** Budgets, hours and conditions; those that are not named do not limit. Days and months are of the visitor's clock. */
  readonly allowance?: Partial<AllowanceLimits>;
  /** The person's code (28 letters and digits), under which the credit of all their donors is added up. */
  readonly tallyCode?: string;
  /** Names of causes. Default: all of the coordinator's. */
  readonly causes?: readonly string[];
  /** Stops donating; what is stored stays for the next time. */
  readonly signal?: AbortSignal;
  /** Called about once a second. */
  readonly onStatus?: (status: DonorStatus) => void;
  /** A worker script on the page's own origin, for pages whose CSP forbids blob workers. */
  readonly worker?: string;
}

/** A donor that runs. */
export interface Donation {
  /** New limits; those that are not named stay. In force at once, also for what is stored. */
  change(limits: Partial<DonorSettings>): void;
  /** Stops at once; what is stored stays for the next time. */
  stop(): Promise<void>;
  /** Stops at once and removes all that was stored. */
  erase(): Promise<void>;
  /** Settles when donating has ended: resolved after a stop, rejected when something broke. */
  readonly ended: Promise<void>;
}

const UP_BYTES_PER_S = 1_000_000;

/**
 * Gives bandwidth and storage of this browser to a coordinator's causes, while the page is open.
 *
 * Call it only after a person said so by a click, having been told what is given, to whom, and that those who download see
 * the network address. There is one donor per browser profile and site.
 *
 * @returns the running donor, as soon as its store is open and it has begun.
 * @throws UsageError `insecure_context`, `unsupported_browser`, `bad_argument`; StoreError `store_in_use` when another tab
 *   donates, `quota_exceeded`, `store_unreadable`; what `signal` says when it was aborted before.
 */
export async function donate(options: DonateOptions): Promise<Donation> {
  const { signal } = options;
  signal?.throwIfAborted();
  requireBrowser();
  let settings = checked({
    storageBytes: options.storageBytes ?? STORAGE_BYTES_MIN,
    upBytesPerS: options.upBytesPerS ?? UP_BYTES_PER_S,
    causes: options.causes ?? [],
    takersMax: options.takersMax ?? TAKERS_MAX,
    allowance: { ...NO_LIMITS, ...options.allowance },
  });
  const secret = options.tallyCode === undefined ? new Uint8Array(0) : readTallyCode(options.tallyCode);
  if (secret === undefined) throw new UsageError("bad_argument", "tallyCode is no code: compare its seven groups.");
  const began = settleable();
  const ended = settleable();
  const place = {
    coordinatorUrl: new URL(options.coordinator, location.href).href.replace(/\/+$/, ""),
    workers: new WorkerFactory(donorWorker(options.worker)),
    tallySecret: () => toHex(secret),
  };
  const control = new DonorControl(place, (state) => {
    if (state.is === "running") {
      began.settle();
      options.onStatus?.(state.status);
    }
    const error = errorOf(state);
    if (error !== undefined) {
      began.settle(error);
      ended.settle(error);
    } else if (state.is === "off") {
      began.settle(); // `signal` was aborted before it had begun; it is told below
      ended.settle();
    }
  });
  signal?.addEventListener("abort", () => void control.stop(false), { once: true });
  await control.start(settings);
  await began.promise;
  signal?.throwIfAborted();
  return {
    change: (limits) => {
      settings = checked({ ...settings, ...limits });
      control.change(settings);
    },
    stop: async () => {
      await control.stop(false);
      await ended.promise;
    },
    erase: async () => {
      await control.stop(true);
      await ended.promise;
    },
    ended: ended.promise,
  };
}

/** A promise that is settled from outside, once; what nobody waits for is no unhandled rejection. */
function settleable(): { readonly promise: Promise<void>; readonly settle: (error?: DistributeError) => void } {
  let settle: (error?: DistributeError) => void = () => undefined;
  const promise = new Promise<void>((resolve, reject) => {
    settle = (error) => {
      if (error === undefined) resolve();
      else reject(error);
    };
  });
  promise.catch(() => undefined);
  return { promise, settle };
}

function requireBrowser(): void {
  if (!isSecureContext) {
    throw new UsageError("insecure_context", "Browsers give storage and hashing to https pages and localhost only.");
  }
  if (!canConnect() || !("getDirectory" in navigator.storage) || !("locks" in navigator)) {
    throw new UsageError("unsupported_browser", "This browser lacks WebRTC, private file storage or locks.");
  }
}

function checked(settings: DonorSettings): DonorSettings {
  const { storageBytes, upBytesPerS } = settings;
  if (!Number.isSafeInteger(storageBytes) || storageBytes < STORAGE_BYTES_MIN) {
    throw new UsageError("bad_argument", `storageBytes must be an integer of ${STORAGE_BYTES_MIN} or more.`);
  }
  if (!Number.isSafeInteger(upBytesPerS) || upBytesPerS < 1) {
    throw new UsageError("bad_argument", "upBytesPerS must be an integer of 1 or more.");
  }
  if (!Number.isSafeInteger(settings.takersMax) || settings.takersMax < 1) {
    throw new UsageError("bad_argument", "takersMax must be an integer of 1 or more.");
  }
  const { dailyBytes, monthlyBytes, hours } = settings.allowance;
  for (const limit of [dailyBytes, monthlyBytes, ...(hours ?? [])]) {
    if (limit !== null && (!Number.isSafeInteger(limit) || limit < 0)) {
      throw new UsageError("bad_argument", "Limits of the allowance are integers of 0 or more, or null.");
    }
  }
  return settings;
}

function errorOf(state: DonorState): DistributeError | undefined {
  if (state.is === "elsewhere")
    return new StoreError("store_in_use", "Another tab of this browser is donating already.");
  return state.is === "failed" ? state.error : undefined;
}

/** What a page and its donor worker say to each other. */

import type { AllowanceLimits, Charged, DeviceState, Pause } from "../core/allowance.ts";
import type { Runs } from "../core/runs.ts";
import type { Pressure } from "../core/strain.ts";
import type { ERROR_CODES, ErrorCode } from "../wire/messages.ts";

export type StoreCode = (typeof ERROR_CODES)["store"][number];

/** Downloaders that a browser serves at once, at most. */
export const TAKERS_MAX = 8;

/** The lock of whoever gives on this site, a donor or a page that shares: no limit is ever doubled. */
export const GIVING_LOCK = "distribute-io-donor";

/** What the person allows. All of them are hard limits. */
export interface DonorSettings {
  /** Bytes of all files together. */
  readonly storageBytes: number;
  /** Bytes per second that are handed to connections, all downloaders together. */
  readonly upBytesPerS: number;
  /** Names of causes; empty: all. */
  readonly causes: readonly string[];
  /** Downloaders that are served at once, at most. */
  readonly takersMax: number;
  readonly allowance: AllowanceLimits;
}

export interface DonorStart {
  /** Without a slash at the end. */
  readonly coordinatorUrl: string;
  readonly sessionUrl: string;
  readonly settings: DonorSettings;
  /** What the pages of this site gave so far (donate/site-charge.ts); null where that is not known. */
  readonly charged?: Charged | null;
  /** Secret of the person's code (core/tally-code.ts) in hex: credit is added up under it. Empty: it is not. */
  readonly tallySecret?: string;
}

/** What all donors with the same code were thanked for. */
export interface TallyFigures {
  readonly bytes: number;
  /** Since 00:00 UTC. */
  readonly todayBytes: number;
  /** Most bytes first; `country` is two letters, empty when it is not known. */
  readonly countries: readonly { readonly country: string; readonly bytes: number }[];
}

/** To the worker. */
export type ToDonor =
  /** `rtc` leads to the page's `RtcHost`. */
  | { readonly type: "start"; readonly start: DonorStart; readonly rtc: MessagePort }
  | { readonly type: "change"; readonly settings: DonorSettings }
  /** What the device tells of itself; a donor without it takes it as unknown. */
  | { readonly type: "device"; readonly device: DeviceState }
  /** The system's word on its processors. */
  | { readonly type: "pressure"; readonly pressure: Pressure }
  /** The window got a status: how late this comes is how long the window did not answer. */
  | { readonly type: "heard" }
  /** Closes all connections and the store; what is held stays. */
  | { readonly type: "stop" }
  /** Stops, and leaves nothing behind. Also without a start. */
  | { readonly type: "erase" }
  /** Without a start: removes what is above a smaller limit. */
  | { readonly type: "free"; readonly storageBytes: number };

/** One file of which something is held. */
export interface HeldFile {
  readonly fileId: string;
  /** As the publisher signed it; empty while it is not known. */
  readonly name: string;
  /** Held, of `count` in the whole file; `count` is 0 while it is not known. */
  readonly segments: number;
  readonly count: number;
  readonly bytes: number;
  readonly runs: Runs;
  /** What the coordinator asked this donor to hold of it. */
  readonly assigned: Runs;
}

/** What downloaders of one country confirmed. `country`: ISO 3166 code, empty where it is not known. */
export interface CountryFigures {
  readonly country: string;
  readonly bytes: number;
  readonly people: number;
}

/** A moment of donating. */
export interface DonorStatus {
  /** `offline`: the coordinator is not reached; transfers that run go on. */
  readonly session: "connecting" | "online" | "offline";
  /** When `offline`: milliseconds until the next try. */
  readonly retryMs: number;
  /** Downloaders that are connected now. */
  readonly takers: number;
  readonly rateBytesPerS: number;
  /** Exact, of this browser: ever and today. */
  readonly servedBytes: number;
  readonly servedTodayBytes: number;
  /** On the wire, what the transport adds included: what the budgets count. */
  readonly sentTodayBytes: number;
  readonly sentThisMonthBytes: number;
  /** Why nothing is given at present; null when something is. */
  readonly pause: Pause | null;
  /** True while less is given than allowed, since this device is hard pressed. */
  readonly slowed: boolean;
  /** Downloaders that got anything, ever and today. */
  readonly people: number;
  readonly peopleToday: number;
  /** Of this visit: bytes that downloaders confirmed to the coordinator, and how many confirmed. */
  readonly verifiedBytes: number;
  readonly verifiedPeople: number;
  /** Where they are, most bytes first. */
  readonly countries: readonly CountryFigures[];
  /** Of all donors with the same code; null while it is not known, or without a code. */
  readonly tally: TallyFigures | null;
  readonly usedBytes: number;
  readonly limitBytes: number;
  /** Segments that the coordinator asked this donor to hold, and how many of them are there. */
  readonly assignedSegments: number;
  readonly assignedHeld: number;
  readonly files: readonly HeldFile[];
  /** What stands in the way at present, a code; null when nothing does. */
  readonly problem: ErrorCode | null;
}

/** From the worker. */
export type FromDonor =
  /** The worker runs; comes before anything is asked of it. */
  | { readonly type: "ready" }
  | { readonly type: "status"; readonly status: DonorStatus }
  | { readonly type: "stopped"; readonly erased: boolean }
  /** The store cannot be used; nothing runs any more. */
  | { readonly type: "failed"; readonly code: StoreCode; readonly message: string };

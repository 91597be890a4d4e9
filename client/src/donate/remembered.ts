/** What the donor page of a site remembers between visits, as it lies in the browser's local storage. */

import { NO_LIMITS, type AllowanceLimits } from "../core/allowance.ts";
import { TAKERS_MAX, type DonorSettings } from "./messages.ts";

/** The settings, and whether the person left donating on. */
export interface Remembered {
  readonly settings: DonorSettings;
  readonly on: boolean;
  /** Whether the upload rate was chosen, or measured: else it is measured when the person starts. */
  readonly rateKnown: boolean;
  /** What the line was found to send, in bytes per second. */
  readonly measuredBytesPerS?: number | undefined;
  /** Secret of the person's code, in hex; empty while there is none. */
  readonly tallySecret: string;
}

/** Where it lies. */
export const DONOR_KEY = "distribute-io:donor";

/** The least that can be chosen. */
export const STORAGE_BYTES_MIN = 16_000_000;
export const UP_BYTES_PER_S_MIN = 64_000;

const TALLY_SECRET = /^[0-9a-f]{32}$/;

/** Until something was chosen or measured: a rate that few lines notice. */
export const DEFAULT_SETTINGS: DonorSettings = {
  storageBytes: STORAGE_BYTES_MIN,
  upBytesPerS: 250_000,
  causes: [],
  takersMax: TAKERS_MAX,
  allowance: NO_LIMITS,
};

/** @returns what was written down; undefined where that is nothing, or makes no sense. */
export function readRemembered(text: string | null): Remembered | undefined {
  let stored: unknown;
  try {
    stored = JSON.parse(text ?? "null");
  } catch {
    // Something else wrote there: as on a first visit.
  }
  if (typeof stored !== "object" || stored === null) return undefined;
  const { storageBytes, upBytesPerS, causes, takersMax, allowance, on, measuredBytesPerS, rateKnown, tallySecret } =
    stored as Partial<Record<string, unknown>>; // as: checked below
  return {
    settings: {
      storageBytes: atLeast(storageBytes, STORAGE_BYTES_MIN) ?? DEFAULT_SETTINGS.storageBytes,
      upBytesPerS: atLeast(upBytesPerS, UP_BYTES_PER_S_MIN) ?? DEFAULT_SETTINGS.upBytesPerS,
      causes: Array.isArray(causes) ? causes.filter((cause) => typeof cause === "string") : [],
      takersMax: Math.min(atLeast(takersMax, 1) ?? TAKERS_MAX, TAKERS_MAX),
      allowance: readAllowance(allowance),
    },
    on: on === true,
    // What a version before this one remembered was chosen.
    rateKnown: rateKnown !== false,
    measuredBytesPerS: atLeast(measuredBytesPerS, 0),
    tallySecret: typeof tallySecret === "string" && TALLY_SECRET.test(tallySecret) ? tallySecret : "",
  };
}

function readAllowance(stored: unknown): AllowanceLimits {
  if (typeof stored !== "object" || stored === null) return NO_LIMITS;
  const { dailyBytes, monthlyBytes, hours, whileCharging, unmetered } = stored as Partial<Record<string, unknown>>; // as: checked below
  const [from, to] = Array.isArray(hours) ? [atLeast(hours[0], 0), atLeast(hours[1], 0)] : [];
  return {
    dailyBytes: atLeast(dailyBytes, 0) ?? null,
    monthlyBytes: atLeast(monthlyBytes, 0) ?? null,
    hours: from === undefined || to === undefined ? null : [from, to],
    whileCharging: whileCharging === true,
    unmetered: unmetered === true,
  };
}

function atLeast(value: unknown, least: number): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= least ? value : undefined;
}

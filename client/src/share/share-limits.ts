/** What a page that shares gives at most. Decides, does nothing. */

import type { AllowanceLimits } from "../core/allowance.ts";
import { readRemembered } from "../donate/remembered.ts";

export interface ShareLimits {
  readonly upBytesPerS: number;
  readonly takersMax: number;
  readonly allowance: AllowanceLimits;
}

/**
 * What a visitor who shares gives at most; the panel says so before the first byte. A rate that leaves most home lines
 * their own use, budgets of a few per cent of the plans that people have, and nothing over a connection that is paid by
 * the byte.
 */
export const SHARE_LIMITS: ShareLimits = {
  upBytesPerS: 1_000_000,
  takersMax: 4,
  allowance: {
    dailyBytes: 2_000_000_000,
    monthlyBytes: 20_000_000_000,
    hours: null,
    whileCharging: false,
    unmetered: true,
  },
};

/**
 * The limits where the visitor chose some on the donor page of the same site: never more than those, either.
 *
 * @param chosen as that page wrote it down; null: nothing.
 */
export function shareLimits(chosen: string | null): ShareLimits {
  const remembered = readRemembered(chosen);
  if (remembered === undefined) return SHARE_LIMITS;
  const { rateKnown, settings } = remembered;
  const { allowance } = SHARE_LIMITS;
  const least = (own: number | null, theirs: number | null) => Math.min(own ?? Infinity, theirs ?? Infinity);
  return {
    upBytesPerS: rateKnown ? least(SHARE_LIMITS.upBytesPerS, settings.upBytesPerS) : SHARE_LIMITS.upBytesPerS,
    takersMax: least(SHARE_LIMITS.takersMax, settings.takersMax),
    allowance: {
      ...settings.allowance,
      dailyBytes: least(allowance.dailyBytes, settings.allowance.dailyBytes),
      monthlyBytes: least(allowance.monthlyBytes, settings.allowance.monthlyBytes),
      unmetered: true,
    },
  };
}

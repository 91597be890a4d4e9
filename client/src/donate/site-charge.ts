/**
 * What the pages of this site have given so far, as donors, by sharing and to measure the line: one count, in the site's
 * local storage, so that no budget is there twice. A donor's store counts as well, and starts from what is further on.
 */

import {
  Allowance,
  NOTHING_CHARGED,
  onTheWire,
  type AllowanceLimits,
  type Charged,
  type DeviceState,
  type LocalTime,
} from "../core/allowance.ts";

const KEY = "distribute-io:shared";

/** The count; null when there is none, or none that makes sense. */
export function siteCharge(): Charged | null {
  try {
    const { day, dayBytes, month, monthBytes, ahead } = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<
      Record<string, unknown>
    >; // as: checked below, since the page itself may have written anything there
    const figures = [day, dayBytes, month, monthBytes];
    const isAhead = Array.isArray(ahead) && ahead.length === 2 && ahead.every((place) => Number.isSafeInteger(place));
    if (figures.every((figure) => Number.isSafeInteger(figure)))
      return { day, dayBytes, month, monthBytes, ...(isAhead && { ahead: ahead as unknown }) } as Charged; // as: see above
  } catch {
    // As on a first visit; whether anything can be kept is found out when it is.
  }
  return null;
}

/** @returns false when this site may keep nothing. */
export function keepSiteCharge(figures: Charged | null): boolean {
  try {
    localStorage.setItem(KEY, JSON.stringify(figures));
    return true;
  } catch {
    return false;
  }
}

/** As if nothing had been given. */
export function forgetSiteCharge(): void {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // Storage switched off: there is nothing.
  }
}

/**
 * Charges bytes that a window is about to send.
 *
 * @returns whether they may go out: the limits allow them now, and the charge is kept.
 */
export function chargeSite(sizeBytes: number, limits: AllowanceLimits, device: DeviceState, time: LocalTime): boolean {
  const allowance = new Allowance(limits, siteCharge() ?? NOTHING_CHARGED);
  if (allowance.pause(time, device) !== undefined) {
    keepSiteCharge(allowance.settle()); // of the day that it is now, where the clock was ahead
    return false;
  }
  const wireBytes = onTheWire(sizeBytes);
  let may = allowance.take(wireBytes, time);
  if (may === "store") {
    allowance.stored(allowance.charged);
    may = allowance.take(wireBytes, time);
  }
  return may === "yes" && keepSiteCharge(allowance.settle());
}

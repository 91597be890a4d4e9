/**
 * Time stamps of manifests: RFC 3339 in UTC with whole seconds, `2026-11-22T18:30:00Z`, and nothing else.
 *
 * By hand, because engines differ in what `Date` accepts. The same as `distribute_io.manifest.timestamps`.
 */

import { ManifestError } from "../wire/errors.ts";

const FORM = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})Z$/;
const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365] as const;
const YEAR_MIN = 1970;

/**
 * Seconds since 1970 of a time stamp from 1970 to 9999.
 *
 * @throws ManifestError `manifest_bad_time` for another form or a day that does not exist.
 */
export function parseTimestamp(text: string): number {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = (FORM.exec(text) ?? []).slice(1).map(Number);
  const monthStart = DAYS_BEFORE_MONTH[month - 1];
  const monthEnd = DAYS_BEFORE_MONTH[month];
  const leap = isLeap(year) ? 1 : 0;
  if (
    year < YEAR_MIN ||
    monthStart === undefined ||
    monthEnd === undefined ||
    day < 1 ||
    day > monthEnd - monthStart + (month === 2 ? leap : 0) ||
    hour > 23 ||
    minute > 59 ||
    second > 59
  ) {
    throw new ManifestError("manifest_bad_time", "A time stamp is not of the form 2026-11-22T18:30:00Z.");
  }
  const days = daysBeforeYear(year) - daysBeforeYear(YEAR_MIN) + monthStart + (month > 2 ? leap : 0) + day - 1;
  return ((days * 24 + hour) * 60 + minute) * 60 + second;
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

/** Days from the year 1 to the first day of `year` (Gregorian). */
function daysBeforeYear(year: number): number {
  const before = year - 1;
  return before * 365 + Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400);
}

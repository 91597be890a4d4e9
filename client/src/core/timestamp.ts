/**
 * Time stamps of manifests: RFC 3339 in UTC with whole seconds, `2026-11-22T18:30:00Z`, and nothing else.
 *
 * Engines differ in what `Date` accepts, not in what it writes: what was read has to be written the same again. As
 * `distribute_io.manifest.timestamps`.
 */

import { ManifestError } from "../wire/errors.ts";

const EXAMPLE = "2026-11-22T18:30:00Z";

/**
 * Seconds since 1970 of a time stamp from 1970 to 9999.
 *
 * @throws ManifestError `manifest_bad_time` for another form or a day that does not exist.
 */
export function parseTimestamp(text: string): number {
  /* eslint-disable no-restricted-globals -- reads its argument, not the clock */
  const timeMs = Date.parse(text);
  const isCanonical =
    timeMs >= 0 && text.length === EXAMPLE.length && new Date(timeMs).toISOString() === text.replace("Z", ".000Z");
  if (!isCanonical) throw new ManifestError("manifest_bad_time", `A time stamp is not of the form ${EXAMPLE}.`);
  return timeMs / 1_000;
}

/** A download's settings, checked and complete (spec/scheduler.md, section 3). */

import type { SchedulerConfig } from "./messages.ts";
import { ALIGN_BYTES } from "./tuning.ts";

/** What a source of unknown rate is asked for first, rounded up to whole segments. */
export const FIRST_REQUEST_BYTES = 1 << 20;

/** The configuration with every default filled in. */
export type Settings = Required<SchedulerConfig>;

/**
 * Fills in the defaults.
 *
 * @throws RangeError when a value is outside its range.
 */
export function settingsOf(config: SchedulerConfig): Settings {
  const settings: Settings = {
    missing: null,
    policy: "balanced",
    maxInFlightBytes: 32 << 20,
    inOrder: false,
    maxOpenRequests: 16,
    maxHostRequests: 4,
    firstRequestBytes: FIRST_REQUEST_BYTES,
    stallUs: 2_000_000,
    giveUpUs: 60_000_000,
    noSourceGraceUs: 5_000_000,
    ...config,
  };
  const { sizeBytes, segmentSizeBytes, maxInFlightBytes, maxOpenRequests, maxHostRequests, firstRequestBytes } =
    settings;
  const counts = [segmentSizeBytes, maxOpenRequests, maxHostRequests, firstRequestBytes];
  const timesUs = [settings.stallUs, settings.giveUpUs, settings.noSourceGraceUs];
  if (
    sizeBytes < 0 ||
    segmentSizeBytes % ALIGN_BYTES !== 0 ||
    maxInFlightBytes < segmentSizeBytes ||
    Math.min(...counts, ...timesUs) < 1
  )
    throw new RangeError("a setting of the scheduler is out of range");
  return settings;
}

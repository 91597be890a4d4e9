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
    sizeBytes: config.sizeBytes,
    segmentSizeBytes: config.segmentSizeBytes,
    missing: config.missing ?? null,
    policy: config.policy ?? "balanced",
    maxInFlightBytes: config.maxInFlightBytes ?? 32 << 20,
    inOrder: config.inOrder ?? false,
    maxOpenRequests: config.maxOpenRequests ?? 16,
    maxHostRequests: config.maxHostRequests ?? 4,
    firstRequestBytes: config.firstRequestBytes ?? FIRST_REQUEST_BYTES,
    stallUs: config.stallUs ?? 2_000_000,
    giveUpUs: config.giveUpUs ?? 60_000_000,
    noSourceGraceUs: config.noSourceGraceUs ?? 5_000_000,
  };
  if (settings.sizeBytes < 0) throw new RangeError("sizeBytes is negative");
  if (settings.segmentSizeBytes <= 0 || settings.segmentSizeBytes % ALIGN_BYTES !== 0) {
    throw new RangeError("segmentSizeBytes is not a positive multiple of 64 KiB");
  }
  if (settings.maxInFlightBytes < settings.segmentSizeBytes) {
    throw new RangeError("maxInFlightBytes is less than one segment");
  }
  if (Math.min(settings.maxOpenRequests, settings.maxHostRequests, settings.firstRequestBytes) < 1) {
    throw new RangeError("maxOpenRequests, maxHostRequests and firstRequestBytes are at least 1");
  }
  if (Math.min(settings.stallUs, settings.giveUpUs, settings.noSourceGraceUs) < 1) {
    throw new RangeError("a time is less than 1 microsecond");
  }
  return settings;
}

/** Sizes, rates and times as people read them. Decimal units, as download folders and network plans use them. */

import { STRINGS } from "./strings.ts";

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** For example `12.3 MB`, in the page's language. */
export function formatSize(bytes: number, locale?: string): string {
  const step = bytes < 1_000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1_000 ** step;
  return new Intl.NumberFormat(locale, {
    style: "unit",
    unit: UNITS[step] ?? "byte",
    unitDisplay: "short",
    maximumFractionDigits: step === 0 || value >= 100 ? 0 : 1,
  }).format(value);
}

/** For example `1.2 MB/s`. */
export function formatRate(bytesPerS: number, locale?: string): string {
  return `${formatSize(bytesPerS, locale)}/s`;
}

/** The time that is left, rounded as far as it can be known; undefined when nothing moves. */
export function formatTimeLeft(missingBytes: number, rateBytesPerS: number): string | undefined {
  if (rateBytesPerS <= 0) return undefined;
  const seconds = Math.ceil(missingBytes / rateBytesPerS);
  if (seconds < 60) return STRINGS.seconds(seconds);
  if (seconds < 90 * 60) return STRINGS.minutes(Math.round(seconds / 60));
  const hours = Math.round(seconds / 3_600);
  return hours > 1_000 ? undefined : STRINGS.hours(hours);
}

/** Whole percent, never 100 before all is there. */
export function percentOf(receivedBytes: number, sizeBytes: number): number {
  return sizeBytes === 0 ? 100 : Math.floor((100 * receivedBytes) / sizeBytes);
}

/** How a source is called: a mirror by its host, a donor by its number. */
export function sourceName(source: { readonly id: string; readonly kind: "mirror" | "peer" }): string {
  return source.kind === "mirror" ? new URL(source.id).host : source.id;
}

/** What the donor page remembers between visits, and the steps of its sliders. In the browser's local storage. */

import type { DonorSettings } from "../donate/messages.ts";
import { DEFAULT_SETTINGS, DONOR_KEY, readRemembered, type Remembered } from "../donate/remembered.ts";

const MB = 1_000_000;
const GB = 1_000 * MB;

/** Steps of the storage slider, in bytes; the last is what the browser grants. */
const STORAGE_STEPS: readonly number[] = [
  16, 32, 64, 128, 256, 512, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000,
].map((n) => n * MB);

/** Of the quota: the rest is for what this site's downloads keep. */
const QUOTA_SHARE = 0.9;

/** Steps of the upload slider, in bytes per second. */
export const RATE_STEPS: readonly number[] = [0.064, 0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32].map((n) => n * MB);

/** Choices for the budgets, in bytes. */
export const DAILY_CHOICES: readonly number[] = [0.25, 0.5, 1, 2, 5, 10, 20, 50].map((n) => n * GB);
export const MONTHLY_CHOICES: readonly number[] = [2, 5, 10, 20, 50, 100, 200, 500].map((n) => n * GB);

/** The steps that this browser grants, at least the smallest; what it says is a hint, its real limit shows when writing. */
export function storageSteps(grantedBytes: number): readonly number[] {
  const steps = STORAGE_STEPS.filter((step) => step <= grantedBytes);
  const last = steps.at(-1);
  if (last === undefined) return STORAGE_STEPS.slice(0, 1);
  const all = Math.floor(grantedBytes / (100 * MB)) * 100 * MB;
  return all > last ? [...steps, all] : steps;
}

/**
 * Choices, and one more where it is none of them: what an earlier visit or another version chose stays a choice. A limit on
 * storage that was rounded down would erase what is stored; what the browser grants, and so its steps, change by the day.
 */
export function including(choices: readonly number[], value: number): readonly number[] {
  return choices.includes(value) ? choices : [...choices, value].sort((a, b) => a - b);
}

/** What the browser would let this site store. Never throws: without an answer a cautious figure. */
export async function grantedBytes(): Promise<number> {
  try {
    const { quota } = await navigator.storage.estimate();
    return (quota ?? 2 * GB) * QUOTA_SHARE;
  } catch {
    return GB;
  }
}

/** What was remembered; the defaults where there is nothing, or nothing that makes sense. */
export function recall(): Remembered {
  try {
    const remembered = readRemembered(localStorage.getItem(DONOR_KEY));
    if (remembered !== undefined) return remembered;
  } catch {
    // Storage switched off: as on a first visit.
  }
  return { settings: DEFAULT_SETTINGS, on: false, rateKnown: false, tallySecret: "" };
}

/** As if nobody had been here. */
export function forget(): void {
  try {
    localStorage.removeItem(DONOR_KEY);
  } catch {
    // Storage switched off: there is nothing.
  }
}

/** As if nobody had been here, but for the person's code: other devices count under it. */
export function forgetAllButCode(): void {
  const { tallySecret } = recall();
  forget();
  if (tallySecret !== "") remember({ tallySecret });
}

/** Remembers what has changed; the rest stays as it is by now: a badge, or another tab, may have set it meanwhile. */
export function remember(change: Partial<Remembered>): void {
  const { settings, ...others } = { ...recall(), ...change };
  try {
    localStorage.setItem(DONOR_KEY, JSON.stringify({ ...settings, ...others }));
  } catch {
    // Not remembered, then: the next visit starts from the defaults, off.
  }
}

/** Place of the step that is nearest to a value from below. */
export function stepOf(steps: readonly number[], value: number): number {
  return Math.max(
    0,
    steps.findLastIndex((step) => step <= value),
  );
}

/** Whether any of the limits that a badge has is higher than before. */
export function raises(before: DonorSettings, after: DonorSettings): boolean {
  const daily = ({ allowance }: DonorSettings) => allowance.dailyBytes ?? Infinity;
  return (
    after.storageBytes > before.storageBytes || after.upBytesPerS > before.upBytesPerS || daily(after) > daily(before)
  );
}

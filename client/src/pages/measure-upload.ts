/**
 * Measures the upload by sending bytes to the coordinator, which keeps none. Only after a click, and under the person's limits:
 * what it sends counts, and where nothing may be given nothing is sent.
 */

import type { AllowanceLimits } from "../core/allowance.ts";
import { measuredRate, nextBlock, type Sent } from "../core/upload-probe.ts";
import { deviceNow } from "../donate/device-state.ts";
import { localTime } from "../donate/local-time.ts";
import { chargeSite } from "../donate/site-charge.ts";

/** A line that does not bring the smallest block over within this is slow enough for the smallest step. */
const BLOCK_TIMEOUT_MS = 6_000;

/** Most that `getRandomValues` fills at once. */
const RANDOM_BYTES_MAX = 65_536;

/**
 * @param stop ends it; what is returned then says nothing.
 * @returns bytes per second; 0 for a line that is too slow to be measured, undefined when it cannot be.
 */
export async function measureUpload(limits: AllowanceLimits, stop: AbortSignal): Promise<number | undefined> {
  const device = await deviceNow();
  let last: Sent | undefined;
  for (let size = nextBlock(last); size !== undefined; size = nextBlock(last)) {
    if (stop.aborted || !chargeSite(size, limits, device, localTime())) break;
    const body = noise(size);
    const startMs = performance.now();
    try {
      const signal = AbortSignal.any([stop, AbortSignal.timeout(BLOCK_TIMEOUT_MS)]);
      if (!(await fetch("/api/v1/upload-probe", { method: "POST", body, signal })).ok)
        return last && measuredRate(last);
    } catch (error) {
      const slow = error instanceof Error && error.name === "TimeoutError";
      return last === undefined ? (slow ? 0 : undefined) : measuredRate(last);
    }
    last = { sizeBytes: size, elapsedUs: Math.round((performance.now() - startMs) * 1_000) };
  }
  return last && measuredRate(last);
}

/** Bytes that nothing on the way can compress. */
function noise(sizeBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes; at += RANDOM_BYTES_MAX)
    crypto.getRandomValues(bytes.subarray(at, at + RANDOM_BYTES_MAX));
  return bytes;
}

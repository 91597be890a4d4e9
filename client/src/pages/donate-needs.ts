/** What a page that donates asks of its browser and its coordinator before it shows anything. */

import { STORE_FOLDER } from "../storage/segment-store.ts";
import { canConnect } from "../transport/rtc-host.ts";
import { decodeBody, type Complete } from "../wire/decode.ts";
import { CAUSE_LIST_FIELDS, type CauseList } from "../wire/messages.ts";
import { TEXT } from "./donate-text.ts";

/** The part that donates. */
export const DONOR_WORKER = "donor-worker.js";

const CAUSES_TIMEOUT_MS = 8_000;

/** What donating needs and this browser does not have, in words; undefined when it has all. */
export function missing(): string | undefined {
  if (!isSecureContext) return TEXT.insecure;
  if (typeof Worker !== "function") return TEXT.missing("workers");
  if (typeof WebSocket !== "function") return TEXT.missing("WebSockets");
  if (!canConnect()) return TEXT.missing("WebRTC");
  if (!("storage" in navigator) || !("getDirectory" in navigator.storage)) return TEXT.missing("private file storage");
  if (!("locks" in navigator)) return TEXT.missing("locks");
  return undefined;
}

/** Whether an earlier visit left something in this browser. */
export async function storeExists(): Promise<boolean> {
  try {
    await (await navigator.storage.getDirectory()).getDirectoryHandle(STORE_FOLDER);
    return true;
  } catch {
    return false; // not there, or no storage at all (private windows), which the start will say
  }
}

/** The causes, and where to complain; undefined when they cannot be had, which is told to the person. */
export async function loadCauses(): Promise<Complete<CauseList> | undefined> {
  try {
    const response = await fetch("/api/v1/causes", { signal: AbortSignal.timeout(CAUSES_TIMEOUT_MS) });
    return response.ok ? decodeBody(CAUSE_LIST_FIELDS, await response.json()) : undefined;
  } catch {
    return undefined;
  }
}

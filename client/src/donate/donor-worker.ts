/**
 * The donor worker's entry. A worker, because timers of hidden windows are throttled to one a minute, and because only
 * workers have the positioned writes of the origin private file system.
 */

import { SegmentStore, STORE_FOLDER, type StoreFolder } from "../storage/segment-store.ts";
import { sha256 } from "../storage/web-crypto.ts";
import { systemClock } from "../transport/clock.ts";
import { webCryptoHmac } from "../transport/hmac.ts";
import { browserSessionWorld } from "../transport/session-client.ts";
import { StoreError } from "../wire/errors.ts";
import { type FromSharer, type ToSharer } from "../share/messages.ts";
import { obeySharing } from "../share/share-worker.ts";
import { DonorCatalogue } from "./catalogue.ts";
import { Donor, type DonorWorld } from "./donor.ts";
import { localTime } from "./local-time.ts";
import type { DonorStart, FromDonor, ToDonor } from "./messages.ts";

const worker = self as unknown as DedicatedWorkerGlobalScope; // the only global scope this script runs in

function report(message: FromDonor | FromSharer): void {
  worker.postMessage(message);
}

async function root(): Promise<StoreFolder> {
  try {
    return await navigator.storage.getDirectory();
  } catch (cause) {
    // Private windows of Firefox have no such storage.
    throw new StoreError("store_unreadable", "This browser gives the page no storage (a private window?).", { cause });
  }
}

async function world(coordinatorUrl: string): Promise<DonorWorld> {
  return {
    clock: systemClock(),
    hmac: webCryptoHmac,
    session: browserSessionWorld(),
    root: await root(),
    fetch: (url, init) => fetch(url, { ...init, priority: "low" }),
    sha256,
    localTime,
    // A blob's address has that of its page in it.
    catalogue: new DonorCatalogue(coordinatorUrl, worker.location.href.replace(/^blob:/, "")),
  };
}

/** Commands are carried out one after the other, so that "stop" never meets a donor that is half started. */
let donor: Donor | undefined;
let last: Promise<void> = Promise.resolve();

async function start(message: DonorStart, rtc: MessagePort): Promise<void> {
  await donor?.stop(false);
  donor = await Donor.start(message, rtc, await world(message.coordinatorUrl), (status) => {
    report({ type: "status", status });
  });
}

async function stop(erase: boolean): Promise<void> {
  const running = donor;
  donor = undefined;
  if (running !== undefined) await running.stop(erase);
  else if (erase) await eraseStore();
  report({ type: "stopped", erased: erase });
}

/** Erases without a donor: what an earlier visit left. */
async function eraseStore(): Promise<void> {
  try {
    await (await root()).removeEntry(STORE_FOLDER, { recursive: true });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "NotFoundError") return;
    throw cause;
  }
}

/** A smaller limit, while nothing is given. */
async function free(storageBytes: number): Promise<void> {
  const store = await SegmentStore.open(await root(), storageBytes, sha256);
  store.close();
  report({ type: "stopped", erased: false });
}

function isOfSharing(message: ToDonor | ToSharer): message is ToSharer {
  return message.type.startsWith("share");
}

function obey(message: ToDonor): Promise<void> {
  switch (message.type) {
    case "start":
      return start(message.start, message.rtc);
    case "change":
      return donor?.change(message.settings) ?? Promise.resolve();
    case "device":
      donor?.heedDevice(message.device);
      return Promise.resolve();
    case "pressure":
      donor?.heedPressure(message.pressure);
      return Promise.resolve();
    case "heard":
      donor?.windowAnswered();
      return Promise.resolve();
    case "stop":
      return stop(false);
    case "erase":
      return stop(true);
    case "free":
      return free(message.storageBytes);
  }
}

worker.onmessage = ({ data: message }: MessageEvent<ToDonor | ToSharer>) => {
  if (isOfSharing(message)) {
    obeySharing(message, report);
    return;
  }
  last = last
    .then(() => obey(message))
    .catch((cause: unknown) => {
      // Only the store can fail a command: the session and the mirrors are tried again by themselves.
      const error =
        cause instanceof StoreError
          ? cause
          : new StoreError("store_unreadable", "The browser's storage failed.", { cause });
      report({ type: "failed", code: error.code, message: error.message });
    });
};

report({ type: "ready" });

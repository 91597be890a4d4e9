/** The donor worker in its other role: it serves what the page has downloaded. */

import { localTime } from "../donate/local-time.ts";
import { storedFile } from "../saving/kept-files.ts";
import { sha256 } from "../storage/web-crypto.ts";
import { systemClock } from "../transport/clock.ts";
import { webCryptoHmac } from "../transport/hmac.ts";
import { browserSessionWorld } from "../transport/session-client.ts";
import type { FromSharer, ToSharer } from "./messages.ts";
import { Sharer } from "./sharer.ts";

let sharer: Sharer | undefined;

/** Carries out what the page says. */
export function obeySharing(message: ToSharer, report: (message: FromSharer) => void): void {
  switch (message.type) {
    case "share": {
      const world = {
        clock: systemClock(),
        hmac: webCryptoHmac,
        session: browserSessionWorld(),
        sha256,
        localTime,
        open: storedFile,
      };
      sharer ??= new Sharer(message.start, message.rtc, world, report);
      return;
    }
    case "share_file":
      sharer?.add(message.file);
      return;
    case "share_stored":
      sharer?.stored(message.fileId, message.runs);
      return;
    case "share_drop":
      sharer?.drop(message.fileId);
      return;
    case "share_chosen":
      sharer?.chose(message.chosen);
      return;
    case "share_charged":
      sharer?.charged();
      return;
    case "share_device":
      sharer?.heedDevice(message.device);
      return;
    case "share_stop":
      sharer?.stop();
  }
}

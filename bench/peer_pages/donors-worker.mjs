/** The worker of `donors.mjs`. */
import { NO_LIMITS } from "../../client/src/core/allowance.ts";
import { verifySegment } from "../../client/src/core/verified.ts";
import { toHex } from "../../client/src/core/hex.ts";
import { Donor } from "../../client/src/donate/donor.ts";
import { TAKERS_MAX } from "../../client/src/donate/messages.ts";
import { DonorCatalogue } from "../../client/src/donate/catalogue.ts";
import { RECORD_BYTES } from "../../client/src/core/store-record.ts";
import { SegmentStore, STORE_BYTES_MIN } from "../../client/src/storage/segment-store.ts";
import { sha256 } from "../../client/src/storage/web-crypto.ts";
import { systemClock } from "../../client/src/transport/clock.ts";
import { webCryptoHmac } from "../../client/src/transport/hmac.ts";
import { browserSessionWorld } from "../../client/src/transport/session-client.ts";

/** Puts a donor's segments into a new store in `folder`, as a filled donor's store is. */
async function fill(folder, fileId, segments, limitBytes, file, segmentSizeBytes) {
  const store = await SegmentStore.open(folder, limitBytes, sha256);
  for (const index of segments) {
    const bytes = file.slice(index * segmentSizeBytes, (index + 1) * segmentSizeBytes);
    const digest = await sha256(bytes);
    await store.put(fileId, toHex(digest), await verifySegment(index, bytes, digest, sha256));
  }
  store.close();
}

async function begin({ donors, start, ports }) {
  const { fileUrl, fileId, segmentSizeBytes, coordinatorUrl, sessionUrl, upBytesPerS } = start;
  const file = new Uint8Array(await (await fetch(fileUrl)).arrayBuffer());
  const root = await navigator.storage.getDirectory();
  await Promise.all(
    donors.map(async (segments, number) => {
      const folder = await root.getDirectoryHandle(`donor-${number}`, { create: true });
      const storageBytes = STORE_BYTES_MIN + Math.ceil(segments.length * (segmentSizeBytes + RECORD_BYTES) * 1.01);
      await fill(folder, fileId, segments, storageBytes, file, segmentSizeBytes);
      const world = {
        clock: systemClock(),
        hmac: webCryptoHmac,
        session: browserSessionWorld(),
        root: folder,
        fetch: (url, init) => fetch(url, init),
        sha256,
        localTime: () => ({ day: 20_000, month: 24_000, minute: 0 }),
        catalogue: new DonorCatalogue(coordinatorUrl, self.location.href),
      };
      const settings = { storageBytes, upBytesPerS, causes: [], takersMax: TAKERS_MAX, allowance: NO_LIMITS };
      await new Promise((online, failed) => {
        Donor.start({ coordinatorUrl, sessionUrl, settings }, ports[number], world, (status) => {
          if (status.session === "online") online();
        }).catch(failed);
      });
    }),
  );
}

self.onmessage = ({ data }) => {
  begin(data).then(
    () => self.postMessage("online"),
    (error) => self.postMessage(String(error)),
  );
};

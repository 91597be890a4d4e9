/** Fills the store of a site's donor as a fill from a mirror does, without its pace: the worker of `bench.donor_page`. */
import { toHex } from "../../client/src/core/hex.ts";
import { verifySegment } from "../../client/src/core/verified.ts";
import { SegmentStore } from "../../client/src/storage/segment-store.ts";
import { sha256 } from "../../client/src/storage/web-crypto.ts";

async function fill({ fileUrl, fileId, segmentSizeBytes, limitBytes }) {
  const root = await navigator.storage.getDirectory();
  const store = await SegmentStore.open(root, limitBytes, sha256);
  const reader = (await fetch(fileUrl)).body.getReader();
  let index = 0;
  let bytes = new Uint8Array(segmentSizeBytes);
  let filled = 0;
  const put = async (segment) => {
    const digest = await sha256(segment);
    await store.put(fileId, toHex(digest), await verifySegment(index, segment, digest, sha256));
    index += 1;
  };
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    for (let at = 0; at < value.length;) {
      const part = value.subarray(at, at + segmentSizeBytes - filled);
      bytes.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < segmentSizeBytes) continue;
      await put(bytes);
      bytes = new Uint8Array(segmentSizeBytes);
      filled = 0;
    }
  }
  if (filled > 0) await put(bytes.slice(0, filled));
  store.close();
}

self.onmessage = ({ data }) => {
  fill(data).then(
    () => self.postMessage("filled"),
    (error) => self.postMessage(String(error)),
  );
};

/**
 * WebTorrent as it comes. The only settings: no STUN servers, since those of its defaults cannot be reached from a closed
 * network and would only make it wait.
 */
import WebTorrent from "./webtorrent.min.js";

const client = new WebTorrent({ tracker: { rtcConfig: { iceServers: [] } } });

/** Seeds the file at `url`; resolves with the .torrent's bytes in base64 when it is announced. */
window.seed = async (url, tracker, upBytesPerS) => {
  if (upBytesPerS) client.throttleUpload(upBytesPerS);
  const file = new File([await (await fetch(url)).blob()], "file.bin");
  const torrent = await new Promise((resolve) => client.seed(file, { announce: [tracker] }, resolve));
  await new Promise((resolve) => torrent.once("trackerAnnounce", resolve));
  return btoa(Array.from(torrent.torrentFile, (byte) => String.fromCharCode(byte)).join(""));
};

/**
 * Downloads it, for `limitMs` at most. Milliseconds from `add`: to the first verified piece and to the last; and the bytes
 * that were verified by then.
 */
window.download = (torrentFile, webSeeds, limitMs) =>
  new Promise((resolve, reject) => {
    const startedMs = performance.now();
    const bytes = Uint8Array.from(atob(torrentFile), (character) => character.charCodeAt(0));
    client.on("error", reject);
    const torrent = client.add(bytes, { urlList: webSeeds });
    let firstMs;
    torrent.on("verified", () => {
      firstMs ??= performance.now() - startedMs;
    });
    const end = () => {
      const bytes = Math.round(torrent.progress * torrent.length);
      resolve({ firstMs, lastMs: performance.now() - startedMs, bytes });
    };
    torrent.on("done", end);
    if (limitMs !== null) setTimeout(end, limitMs);
  });

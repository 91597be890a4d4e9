/**
 * The least that a page can do, in a worker of its own: one request for the whole file, read into reused buffers.
 *
 * `{url, segmentBytes: 0}`: what was read is dropped. Else each segment is digested by WebCrypto while the next ones come,
 * and written to the private file system: verified and stored, without scheduler, session, panel or whole-file digest.
 */

const READ_BYTES = 1_048_576;
/** Segments that are held at once. */
const BUFFERS = 8;

onmessage = async ({ data: { url, segmentBytes } }) => {
  const started = performance.now();
  const response = await fetch(url, { cache: "no-store" });
  const reader = response.body.getReader({ mode: "byob" });
  await (segmentBytes === 0 ? discard(reader) : store(reader, segmentBytes));
  postMessage((performance.now() - started) / 1_000);
};

async function discard(reader) {
  let buffer = new ArrayBuffer(READ_BYTES);
  for (;;) {
    const { value, done } = await reader.read(new Uint8Array(buffer));
    if (done) return;
    buffer = value.buffer;
  }
}

async function store(reader, segmentBytes) {
  const folder = await navigator.storage.getDirectory();
  const file = await (await folder.getFileHandle("floor", { create: true })).createSyncAccessHandle();
  const free = Array.from({ length: BUFFERS }, () => new ArrayBuffer(segmentBytes));
  const stored = new Set();
  for (let start = 0, ended = false; !ended; start += segmentBytes) {
    while (free.length === 0) await Promise.race(stored);
    let buffer = free.pop();
    let length = 0;
    while (length < segmentBytes && !ended) {
      const { value, done } = await reader.read(new Uint8Array(buffer, length));
      buffer = value.buffer;
      length += value.byteLength;
      ended = done;
    }
    const bytes = new Uint8Array(buffer, 0, length);
    const at = start;
    const done = crypto.subtle.digest("SHA-256", bytes).then(() => {
      file.write(bytes, { at });
      free.push(buffer);
      stored.delete(done);
    });
    stored.add(done);
  }
  await Promise.all(stored);
  file.close();
}

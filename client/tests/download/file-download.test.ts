/** What the page says to a download while its place is being chosen. */

import assert from "node:assert/strict";
import { before, mock, test } from "node:test";

import { SegmentLayout } from "../../src/core/segment-layout.ts";
import { FileDownload, type DownloadObserver } from "../../src/download/file-download.ts";
import type { Preparation } from "../../src/download/preparation.ts";
import type { FromWorker, ToWorker } from "../../src/worker/messages.ts";

const FILE = {
  fileId: "ab".repeat(32),
  name: "app.iso",
  sizeBytes: 7,
  layout: new SegmentLayout(7, 262_144),
  segmentsSha256: "cd".repeat(32),
  publishedAtS: 0,
  signedBy: null,
  signer: "ed25519:A",
};
const FULL: FromWorker = { type: "failed", family: "store", code: "quota_exceeded", message: "full" };

/** When the browser has told of its storage, on which the next place waits. */
let estimate: () => Promise<unknown> = () => Promise.resolve({});

before(() => {
  const storage = {
    estimate: () => estimate(),
    persisted: () => Promise.resolve(true),
    getDirectory: () => Promise.reject(new Error("none")),
  };
  const locks = { request: (_name: string, _options: object, held: () => void) => Promise.resolve().then(held) };
  Object.defineProperty(globalThis, "navigator", { value: { storage, locks }, configurable: true });
  Object.assign(globalThis, { window: { showSaveFilePicker: () => undefined } });
  Object.assign(navigator, { userActivation: { isActive: false } });
});

const settled = () => new Promise((resolve) => setImmediate(resolve));

class FakeWorker {
  readonly told: string[] = [];
  onmessage: ((event: { data: FromWorker }) => void) | undefined;

  postMessage({ type }: ToWorker): void {
    this.told.push(type);
  }
}

function started(observer: Partial<DownloadObserver> = {}) {
  const worker = new FakeWorker();
  const nothing = () => undefined;
  const prepared = {
    answer: Promise.resolve({ entry: { session_url: "wss://dio.example" }, mirrors: [], link: null }),
    file: Promise.resolve({ file: FILE, segmentList: new Uint8Array(32) }),
    downloader: Promise.resolve(worker),
    hasher: Promise.resolve(new FakeWorker()),
    ...{ allowPeers: nothing, forbidPeers: nothing, renewPeers: nothing, seek: nothing, cancel: nothing, end: nothing },
  };
  const download = new FileDownload(
    {
      preparation: prepared as unknown as Preparation, // as: what is used of it
      place: { serviceWorkerUrl: null },
    },
    { found: nothing, started: nothing, progressed: nothing, elsewhere: nothing, ...observer },
  );
  return { worker, download, run: download.run({ href: "https://mirror.example/app.iso" }) };
}

test("a download that is cancelled while its place is chosen ends at once, and is not begun later", async () => {
  let told: (value: unknown) => void = () => undefined;
  estimate = () => new Promise((resolve) => (told = resolve));
  const { worker, download, run } = started();
  await settled();
  const reason = new Error("enough");
  download.cancel(reason);
  await assert.rejects(run, reason);
  told({});
  await settled();
  assert.deepEqual(worker.told, ["cancel"]);
});

test("so is one whose visitor is asked for a place", async () => {
  estimate = () => Promise.resolve({});
  const noRoom = mock.fn(() => new Promise<undefined>(() => undefined));
  const { worker, download, run } = started({ noRoom });
  await settled();
  worker.onmessage?.({ data: FULL }); // the private file system
  await settled();
  worker.onmessage?.({ data: FULL }); // memory
  await settled();
  assert.equal(noRoom.mock.callCount(), 1);
  download.cancel(new Error("enough"));
  await assert.rejects(run, /enough/);
});

test("a pause holds while a place is chosen, and in the next place", async () => {
  let told: (value: unknown) => void = () => undefined;
  estimate = () => new Promise((resolve) => (told = resolve));
  const { worker, download, run } = started();
  await settled();
  download.pause();
  told({});
  await settled();
  assert.deepEqual(worker.told, ["pause", "download", "pause"]);
  estimate = () => Promise.resolve({});
  worker.onmessage?.({ data: FULL });
  await settled();
  assert.deepEqual(worker.told.slice(3), ["download", "pause"]);
  const ended = assert.rejects(run, { code: "quota_exceeded" });
  download.resume();
  worker.onmessage?.({ data: FULL });
  await settled();
  assert.deepEqual(worker.told.slice(5), ["resume"]); // nothing has room any more
  await ended;
});

test("what was paused before another tab was found to have the file goes on when that tab has ended", async () => {
  estimate = () => Promise.resolve({});
  const { worker, download, run } = started();
  await settled();
  download.pause();
  worker.onmessage?.({ data: { ...FULL, code: "store_in_use" } });
  await settled();
  assert.deepEqual(worker.told, ["download", "pause", "download"]);
  download.cancel(new Error("enough"));
  await assert.rejects(run, /enough/);
});

/** When a page has the browser save a file that is still on its way. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { EarlySave } from "../../src/download/early-save.ts";
import { canSaveNow, noteDownload } from "../../src/download/handover.ts";
import { FakeServiceWorker, installOnPage } from "../saving/fake-service-worker.ts";

const MIB = 1024 * 1024;
const SLOW = { receivedBytes: 5 * MIB, keptBytes: 0, rateBytesPerS: 10 * MIB, sources: [] };

const later = setTimeout;
let nowMs = 0;
let end: () => void = () => undefined;

beforeEach(() => {
  mock.restoreAll();
  mock.method(performance, "now", () => nowMs);
  // Frames are kept for seconds, for which no test waits.
  mock.method(globalThis, "setTimeout", (callback: () => void, delayMs: number) => later(callback, delayMs / 50));
});

afterEach(() => {
  end(); // ports that are open keep the test's process
});

function begun(worker = new FakeServiceWorker(), framed = true) {
  installOnPage(worker, framed);
  // A browser that does not ask before a second download, but where a test says otherwise.
  Object.assign(globalThis, { window: {} });
  const ports: MessagePort[] = [];
  nowMs = 0;
  const early = new EarlySave("https://site.example/dio-sw.js", "app.iso", 100 * MIB, (port) => ports.push(port));
  nowMs = 500;
  end = () => {
    early.close();
    ports.forEach((port) => {
      port.close();
    });
  };
  return { worker, early, ports };
}

const opened = () => new Promise((resolve) => later(resolve, 20));

test("a download is opened once, when the rule says so, and counts as one that this page began", async () => {
  const { worker, early, ports } = begun();
  early.progressed({ ...SLOW, rateBytesPerS: 0 }, 0);
  await opened();
  assert.deepEqual([worker.told, early.runs()], [[], false]);
  early.progressed(SLOW, 0);
  early.progressed(SLOW, 0);
  await opened();
  assert.deepEqual([worker.told, ports.length], [["open"], 1]);
  assert.equal(early.runs(), true);
  Object.assign(globalThis, { window: { showSaveFilePicker: () => undefined } });
  assert.equal(canSaveNow(), false, "Chromium would ask before the next one");
});

test("nothing is opened where the browser would ask first", async () => {
  const { worker, early } = begun();
  Object.assign(globalThis, { window: { showSaveFilePicker: () => undefined } });
  early.progressed(SLOW, 0);
  await opened();
  assert.deepEqual(worker.told, []);
});

test("a download that would come too late, or beside another one, is not begun", async () => {
  const { worker, early, ports } = begun();
  let ready: () => void = () => undefined;
  worker.held = new Promise((resolve) => (ready = resolve));
  early.progressed(SLOW, 0);
  await opened();
  early.close();
  ready();
  await opened();
  assert.deepEqual([worker.wasFetched, ports], [false, []]);
  assert.deepEqual(worker.told, ["open", "left"]);

  const second = begun();
  second.worker.held = new Promise((resolve) => (ready = resolve));
  second.early.progressed(SLOW, 0);
  await opened();
  // Another download of the page began meanwhile, and Chromium would ask before this one.
  noteDownload();
  Object.assign(globalThis, { window: { showSaveFilePicker: () => undefined } });
  ready();
  await opened();
  assert.deepEqual([second.worker.wasFetched, second.ports], [false, []]);
});

test("a service worker that does not tell whether its download began is of no use", async () => {
  const worker = new FakeServiceWorker();
  worker.isNew = false;
  const { early, ports } = begun(worker);
  early.progressed(SLOW, 0);
  await opened();
  assert.deepEqual([worker.wasFetched, ports, early.runs()], [false, [], false]);
  assert.deepEqual(worker.told, ["open", "left"]);
});

test("a frame that the page may not have costs no click", async () => {
  noteDownload(-1); // what the tests above began
  noteDownload(-1);
  const { early, ports } = begun(new FakeServiceWorker(), false);
  early.progressed(SLOW, 0);
  await opened();
  await new Promise((resolve) => later(resolve, 200)); // 5 s in a page
  Object.assign(globalThis, { window: { showSaveFilePicker: () => undefined } });
  assert.deepEqual([ports, canSaveNow()], [[], true]);
});

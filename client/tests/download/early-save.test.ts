/** When a page has the browser save a file that is still on its way. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { EarlySave } from "../../src/download/early-save.ts";
import { canSaveNow } from "../../src/download/handover.ts";
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

function begun(worker = new FakeServiceWorker()) {
  installOnPage(worker);
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
  early.progressed({ ...SLOW, rateBytesPerS: 0 });
  await opened();
  assert.deepEqual([worker.told, early.runs()], [[], false]);
  early.progressed(SLOW);
  early.progressed(SLOW);
  await opened();
  assert.deepEqual([worker.told, ports.length], [["open"], 1]);
  assert.equal(early.runs(), true);
  Object.assign(globalThis, { window: { showSaveFilePicker: () => undefined } });
  assert.equal(canSaveNow(), false, "Chromium would ask before the next one");
});

test("nothing is opened where the browser would ask first", async () => {
  const { worker, early } = begun();
  Object.assign(globalThis, { window: { showSaveFilePicker: () => undefined } });
  early.progressed(SLOW);
  await opened();
  assert.deepEqual(worker.told, []);
});

test("a download that comes when ours is over goes to nobody", async () => {
  const { early, ports } = begun();
  early.progressed(SLOW);
  early.close();
  await opened();
  assert.deepEqual(ports, []);
});

/** The page's side of a service worker's download, without a browser. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { openStream } from "../../src/saving/stream.ts";
import { FakeServiceWorker, installOnPage } from "./fake-service-worker.ts";

async function open(worker: FakeServiceWorker, { framed = true } = {}) {
  const page = installOnPage(worker, framed);
  const stream = await openStream("https://site.example/dio-sw.js", "app.iso", 7);
  return { stream, ...page };
}

/** Long enough for a message to a port and back. */
function answered(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

test("a service worker is gone when it leaves several questions unanswered, however long that took", async (t) => {
  const worker = new FakeServiceWorker();
  const { stream } = await open(worker);
  const now = t.mock.method(Date, "now", () => 0);
  assert.equal(stream.runs(), true);
  await answered();
  now.mock.mockImplementation(() => 3_600_000); // the computer slept for an hour
  assert.equal(stream.runs(), true);
  await answered();
  worker.lives = false;
  assert.deepEqual(
    Array.from({ length: 5 }, () => stream.runs()),
    [true, true, true, true, false],
  );
  stream.close();
  stream.port.close();
});

test("its address is what a page with Trusted Types demands", async () => {
  const { stream, registered } = await open(new FakeServiceWorker());
  assert.deepEqual(registered, [{ trusted: "https://site.example/dio-sw.js" }]);
  stream.close();
  stream.port.close();
});

test("a page that may not have the frame hears so within seconds, and not never", async (t) => {
  const later = setTimeout;
  t.mock.method(globalThis, "setTimeout", (callback: () => void, delayMs: number) => later(callback, delayMs / 50));
  await assert.rejects(open(new FakeServiceWorker(), { framed: false }), { code: "part_unavailable" });
});

test("a service worker that a site installed long ago is not waited for", async () => {
  const worker = new FakeServiceWorker();
  worker.isNew = false;
  const { stream } = await open(worker);
  assert.equal(stream.runs(), true);
  stream.close();
  stream.port.close();
});

test("a download whose port went nowhere is ended with its stream", async () => {
  const { stream } = await open(new FakeServiceWorker());
  // Its other end, which the service worker has.
  const told = new Promise((resolve) => {
    stream.port.postMessage = resolve;
  });
  stream.close();
  assert.deepEqual(await told, { type: "abort" });
  stream.port.close();
});

test("a page that is left takes its download with it, and one that is over is left alone", async () => {
  const worker = new FakeServiceWorker();
  const { stream, leavePage } = await open(worker);
  leavePage();
  assert.deepEqual(worker.told, ["open", "left"]);
  stream.close();
  leavePage();
  assert.deepEqual(worker.told, ["open", "left"]);
  stream.port.close();
});

/** The page's side of a service worker's download, without a browser. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { ToServiceWorker } from "../../src/saving/messages.ts";
import { openStream } from "../../src/saving/stream.ts";

/** A service worker that is ready at once, and answers as long as it lives. */
class FakeServiceWorker {
  readonly state = "activated";
  lives = true;
  /** Was it installed since service workers tell that the frame has come? */
  isNew = true;
  #page: MessagePort | undefined;

  postMessage(message: ToServiceWorker, ports: MessagePort[]): void {
    if (message.type === "open") this.#page = ports[1];
    if (!this.lives) return;
    if (message.type === "runs") this.#page?.postMessage({ type: "alive" });
    else this.#page?.postMessage({ type: "ready", ...(this.isNew && { tells: true }) });
  }

  /** The frame asks for its address. */
  fetch(): void {
    if (this.isNew) this.#page?.postMessage({ type: "asked" });
  }
}

async function open(worker: FakeServiceWorker, { framed = true } = {}) {
  const registered: unknown[] = [];
  const register = (url: unknown) => {
    registered.push(url);
    return Promise.resolve({ active: worker });
  };
  Object.defineProperty(globalThis, "navigator", { value: { serviceWorker: { register } }, configurable: true });
  const frame = { remove: () => undefined };
  const append = () => {
    if (framed) worker.fetch();
  };
  const page = { createElement: () => frame, body: { append } };
  const trustedTypes = { createPolicy: () => ({ createScriptURL: (url: string) => ({ trusted: url }) }) };
  Object.assign(globalThis, { document: page, trustedTypes });
  const stream = await openStream("https://site.example/dio-sw.js", "app.iso", 7);
  return { stream, registered };
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

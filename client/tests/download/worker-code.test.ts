import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { WorkerFactory } from "../../src/download/worker-code.ts";

/** Starts at once, or is forbidden. */
class FakeWorker {
  static readonly made: FakeWorker[] = [];
  static forbidden = false;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  isEnded = false;

  constructor() {
    FakeWorker.made.push(this);
    const forbidden = FakeWorker.forbidden;
    queueMicrotask(() => {
      if (forbidden) this.onerror?.(new Event("error"));
      else this.onmessage?.({ data: { type: "ready" } });
    });
  }

  terminate(): void {
    this.isEnded = true;
  }
}

const ENDED_MS = 30_000;

beforeEach(() => {
  FakeWorker.made.length = 0;
  FakeWorker.forbidden = false;
  Object.assign(globalThis, { Worker: FakeWorker });
  mock.timers.enable({ apis: ["setTimeout"] });
});
afterEach(() => {
  mock.timers.reset();
  Object.assign(globalThis, { Worker: undefined });
});

const factory = () => new WorkerFactory({ kind: "installed", url: "/worker.js" });
const made = () => FakeWorker.made as unknown[];

/** Lets all that waits for no timer happen. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("a download gets the workers that were started ahead, and the next one others", async () => {
  const workers = factory();
  workers.prepare();
  workers.prepare();
  await settled();
  assert.equal(made().length, 2);
  assert.deepEqual([await workers.start(), await workers.start()], made());
  assert.equal(made().indexOf(await workers.start()), 2);
});

test("workers that nobody took are ended after a while, those that were taken are not", async () => {
  const workers = factory();
  workers.prepare();
  const taken = await workers.start();
  mock.timers.tick(ENDED_MS);
  await settled();
  assert.deepEqual(
    FakeWorker.made.map(({ isEnded }) => isEnded),
    FakeWorker.made.map((worker) => (worker as unknown) !== taken),
  );
});

test("workers that could not be started ahead are tried again when they are needed", async () => {
  const workers = factory();
  FakeWorker.forbidden = true;
  workers.prepare();
  await settled();
  await assert.rejects(workers.start(), { code: "part_unavailable" });
  FakeWorker.forbidden = false;
  assert.equal(made().indexOf(await workers.start()), made().length - 1);
});

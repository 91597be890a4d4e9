/** What pointer and focus start before a click. */

import assert from "node:assert/strict";
import { before, mock, test } from "node:test";

import type { DownloadPart, LinkOptions } from "../../src/snippet/part.ts";

const OPTIONS = {
  coordinatorUrl: "https://dio.example",
  partsUrl: "https://dio.example/v/latest/",
  parts: {},
  keys: [],
  peers: "off",
  ui: "none",
  workerUrl: "https://page.example/worker.js",
} as unknown as LinkOptions; // as: what is used before a click

let workers = 0;
let part: DownloadPart;

before(async () => {
  const page = { addEventListener: () => undefined, removeEventListener: () => undefined };
  Object.assign(globalThis, {
    document: page,
    location: new URL("https://page.example/"),
    HTMLScriptElement: EventTarget,
    Worker: function () {
      workers += 1;
    },
  });
  await import("../../src/snippet/download-part.ts");
  const { registry } = await import("../../src/snippet/part.ts");
  part = registry()[""] as DownloadPart; // as: what the import left there
});

test("the focus that comes with a press, and the pointer that passes again, start no more workers", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const fetched = mock.method(globalThis, "fetch", () => new Promise<Response>(() => undefined));
  const link = { href: "https://mirror.example/app.iso", dataset: {} } as unknown as HTMLAnchorElement; // as: a link
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  part.prepare(link, OPTIONS);
  part.press(link, OPTIONS);
  await settled();
  assert.equal(workers, 2);
  part.prepare(link, OPTIONS);
  await settled();
  assert.equal(workers, 2);
  part.release();
  assert.equal(fetched.mock.callCount(), 1);
  fetched.mock.restore();
  mock.timers.reset();
});

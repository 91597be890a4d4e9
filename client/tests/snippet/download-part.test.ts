/** What pointer and focus start before a click. */

import assert from "node:assert/strict";
import { before, mock, test } from "node:test";

import { adviceOn } from "../../src/download/policy-advice.ts";
import { loadPart } from "../../src/snippet/load-part.ts";
import type { DownloadPart, RunningTag } from "../../src/snippet/part.ts";

const OPTIONS = {
  coordinatorUrl: "https://dio.example",
  partsUrl: "https://dio.example/v/latest/",
  parts: {},
  keys: [],
  peers: "off",
  ui: "none",
  workerUrl: "https://page.example/worker.js",
  advise: adviceOn,
} as unknown as RunningTag; // as: what is used before a click

let workers = 0;
let part: DownloadPart;

before(async () => {
  const page = { addEventListener: () => undefined, removeEventListener: () => undefined };
  Object.assign(globalThis, {
    ...page,
    document: page,
    location: new URL("https://page.example/"),
    HTMLScriptElement: EventTarget,
    Worker: function () {
      workers += 1;
    },
  });
  const { offerDownloads } = await import("../../src/snippet/download-part.ts");
  offerDownloads();
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

test("a panel that a policy refuses is asked for twice, and the console says what the policy lacks", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const heard = new Set<(violation: object) => void>();
  const asked: { src: string; onerror: () => void }[] = [];
  Object.assign(document, {
    addEventListener: (_: string, listener: (violation: object) => void) => heard.add(listener),
    createElement: () => ({ remove: () => undefined }),
    head: { append: (script: (typeof asked)[number]) => asked.push(script) },
  });
  const warn = mock.method(console, "warn", () => undefined);
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const link = { href: "https://mirror.example/app.iso", dataset: {} } as unknown as HTMLAnchorElement; // as: a link
  const tag = { ...OPTIONS, ui: "panel", parts: { "panel.js": "sha384-panel" } } as const;
  part.prepare(link, { ...tag, load: (name, timeoutMs) => loadPart(tag, name, "", timeoutMs) });
  for (const count of [1, 2, 2]) {
    await settled();
    assert.equal(asked.length, count);
    const { src = "", onerror } = asked.at(-1) ?? {};
    const violation = { effectiveDirective: "script-src-elem", blockedURI: src, originalPolicy: "script-src 'self'" };
    for (const listener of heard) listener(violation);
    onerror?.();
  }
  mock.timers.tick(1_000);
  assert.deepEqual(
    warn.mock.calls.map((call) => call.arguments),
    [["distribute-io: add to this page's Content-Security-Policy: script-src https://dio.example"]],
  );
  warn.mock.restore();
  mock.timers.reset();
});

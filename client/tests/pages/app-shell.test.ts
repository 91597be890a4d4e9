/** What is kept for a page without the network, and dropped. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { AppShell } from "../../src/pages/app-shell.ts";

const NAMES = ["caches", "navigator", "location"] as const;
const before = NAMES.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);

afterEach(() => {
  for (const [name, descriptor] of before) {
    if (descriptor === undefined) Reflect.deleteProperty(globalThis, name);
    else Object.defineProperty(globalThis, name, descriptor);
  }
});

test("what is dropped while it is being kept does not come back", async () => {
  const left = new Set<string>();
  let load: () => void = () => undefined;
  const loaded = new Promise<void>((resolve) => (load = resolve));
  const cache = {
    addAll: async () => {
      await loaded;
      left.add("cache");
    },
    keys: () => Promise.resolve([]),
  };
  const worker = { unregister: () => Promise.resolve(left.delete("worker")) };
  let last: Promise<unknown> = Promise.resolve();
  const locks = { request: (_name: string, run: () => Promise<void>) => (last = last.then(run)) };
  const fakes = {
    caches: { open: () => Promise.resolve(cache), delete: () => Promise.resolve(left.delete("cache")) },
    navigator: {
      locks,
      serviceWorker: {
        register: () => Promise.resolve(left.add("worker")),
        getRegistration: () => Promise.resolve(worker),
      },
    },
    location: { origin: "https://dl.example.org" },
  };
  for (const name of NAMES) Object.defineProperty(globalThis, name, { value: fakes[name], configurable: true });

  let isOn = true;
  const oneTab = new AppShell(() => isOn);
  const otherTab = new AppShell(() => isOn);
  const kept = oneTab.keep(["/v/0/donate.js"]);
  await setImmediate();
  const dropped = otherTab.drop();
  await setImmediate();
  load();
  await Promise.all([kept, dropped]);
  assert.deepEqual([...left], []);

  // The other way round: what was to be kept is not wanted any more when its turn comes.
  const late = oneTab.keep(["/v/0/donate.js"]);
  isOn = false;
  await late;
  assert.deepEqual([...left], []);
});

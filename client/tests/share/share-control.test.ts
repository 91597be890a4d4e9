/** Two tabs of a site that share: one at a time, and one count for both. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { WorkerFactory } from "../../src/download/worker-code.ts";
import type { FromSharer, ToSharer } from "../../src/share/messages.ts";
import { ShareControl } from "../../src/share/share-control.ts";

const GLOBALS = ["BroadcastChannel", "RTCPeerConnection", "addEventListener", "localStorage", "window"] as const;
const before = GLOBALS.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);
const CHARGED = { day: 20_000, dayBytes: 1_999_999_999, month: 24_000, monthBytes: 1_999_999_999 };

/** The one lock of the site: who waits gets it when it is given back. */
let lock: Promise<void>;
let held: boolean;
let stored: Map<string, string>;

beforeEach(() => {
  lock = Promise.resolve();
  held = false;
  stored = new Map();
  const locks = {
    query: () => Promise.resolve({ held: held ? [{ name: "distribute-io-donor" }] : [] }),
    request: (_name: string, _options: unknown, run: () => Promise<void>) => {
      lock = lock.then(async () => {
        held = true;
        await run();
        held = false;
      });
      return lock;
    },
  };
  Object.defineProperty(navigator, "locks", { value: locks, configurable: true });
  const fakes: Record<(typeof GLOBALS)[number], unknown> = {
    BroadcastChannel: function BroadcastChannel() {
      return { close: () => undefined };
    },
    RTCPeerConnection: () => undefined,
    addEventListener: () => undefined,
    localStorage: {
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, text: string) => stored.set(key, text),
    },
    window: { addEventListener: () => undefined, removeEventListener: () => undefined },
  };
  for (const name of GLOBALS)
    Object.defineProperty(globalThis, name, { value: fakes[name], configurable: true, writable: true });
});

afterEach(() => {
  for (const [name, descriptor] of before) {
    if (descriptor === undefined) Reflect.deleteProperty(globalThis, name);
    else Object.defineProperty(globalThis, name, descriptor);
  }
});

/** A tab, its worker, and what the worker was told. */
class Tab {
  readonly told: ToSharer[] = [];
  readonly states: string[] = [];
  readonly #worker = {
    onmessage: (event: { data: FromSharer }): unknown => event,
    postMessage: (message: ToSharer) => void this.told.push(message),
    terminate: () => undefined,
  };
  readonly control: ShareControl;

  constructor() {
    const workers = { start: () => Promise.resolve(this.#worker) } as unknown as WorkerFactory; // as: what is used of it
    this.control = new ShareControl(
      workers,
      { sessionUrl: "wss://c.example/ws", page: "a".repeat(32) },
      ({ is }) => this.states.push(is),
      () => true,
    );
  }

  get charged() {
    return this.told.flatMap((message) => (message.type === "share" ? [message.start.charged] : []))[0];
  }

  report(message: FromSharer): void {
    this.#worker.onmessage({ data: message });
  }
}

/** The page stops, and its worker puts the books in order. */
async function end(tab: Tab): Promise<void> {
  tab.control.stop();
  await settled();
  tab.report({ type: "share_stopped", charged: CHARGED });
  await settled();
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

test("a second tab waits for the first, and begins where that one ended; so does a reload", async () => {
  const [first, second] = [new Tab(), new Tab()];
  void first.control.start();
  await settled();
  assert.equal(first.charged, null);
  void second.control.start();
  await settled();
  assert.deepEqual([second.states, second.told], [["starting", "elsewhere"], []]);
  first.report({ type: "share_charge", charged: CHARGED });
  assert.equal(first.told.at(-1)?.type, "share_charged", "nothing goes out before it is kept");
  await end(first);
  assert.deepEqual(second.charged, CHARGED);
  await end(second);
  const reloaded = new Tab();
  void reloaded.control.start();
  await settled();
  assert.deepEqual(reloaded.charged, CHARGED);
  await end(reloaded);
});

test("who waits for its turn writes nothing: a charge that was confirmed meanwhile stays", async () => {
  const [first, second] = [new Tab(), new Tab()];
  void first.control.start();
  await settled();
  stored.clear();
  void second.control.start();
  await settled();
  assert.equal(stored.size, 0, "the count has one writer");
  await end(first);
  assert.deepEqual(second.charged, CHARGED);
  await end(second);
});

test("where nothing can be counted nothing is shared", async () => {
  const refuse = () => {
    throw new Error("QuotaExceededError");
  };
  Object.defineProperty(globalThis, "localStorage", { value: { getItem: () => null, setItem: refuse } });
  const tab = new Tab();
  await tab.control.start();
  assert.deepEqual([tab.states, tab.told], [["starting", "failed"], []]);
});

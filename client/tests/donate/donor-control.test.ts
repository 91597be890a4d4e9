/** Stop means stop, whatever the start is waiting for at that moment. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { NO_LIMITS } from "../../src/core/allowance.ts";
import { DonorControl, type DonorState } from "../../src/donate/donor-control.ts";
import type { DonorStatus, FromDonor, ToDonor } from "../../src/donate/messages.ts";
import { siteCharge } from "../../src/donate/site-charge.ts";
import type { WorkerFactory } from "../../src/download/worker-code.ts";

const SETTINGS = { storageBytes: 16_000_000, upBytesPerS: 1_000_000, causes: [], takersMax: 8, allowance: NO_LIMITS };

/** Locks of one site, as the browser keeps them; `held` is how many are. */
class FakeLocks {
  held = 0;
  grant: () => void = () => undefined;

  async request(_name: string, _options: unknown, run: (lock: object | null) => unknown): Promise<void> {
    await new Promise<void>((resolve) => {
      this.grant = resolve;
    });
    if (this.held > 0) {
      await run(null);
      return;
    }
    this.held += 1;
    await run({});
    this.held -= 1;
  }
}

class FakeWorker {
  readonly told: ToDonor["type"][] = [];
  terminated = false;
  onmessage: unknown = null;
  onerror: unknown = null;

  postMessage(message: ToDonor): void {
    this.told.push(message.type);
  }

  terminate(): void {
    this.terminated = true;
  }

  report(message: FromDonor): void {
    (this.onmessage as (event: { data: FromDonor }) => void)({ data: message }); // as: set by who is tested
  }
}

class Scene {
  readonly locks = new FakeLocks();
  readonly worker = new FakeWorker();
  readonly states: DonorState["is"][] = [];
  erased = false;
  readonly control: DonorControl;
  deliver: () => void = () => undefined;

  constructor() {
    Object.defineProperty(navigator, "locks", { value: this.locks, configurable: true });
    const workers = {
      start: () =>
        new Promise((resolve) => {
          this.deliver = () => {
            resolve(this.worker);
          };
        }),
    } as unknown as WorkerFactory; // as: the one function that is used
    this.control = new DonorControl({ coordinatorUrl: "https://dio.example", workers }, (state) => {
      this.states.push(state.is);
      this.erased ||= state.is === "off" && state.erased;
    });
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

const originals = {
  localStorage: Object.getOwnPropertyDescriptor(globalThis, "localStorage"),
  BroadcastChannel: globalThis.BroadcastChannel,
  window: Reflect.get(globalThis, "window") as unknown,
};

/** What another tab says. */
let hear: (told: unknown) => void = () => undefined;

beforeEach(() => {
  Object.assign(globalThis, {
    BroadcastChannel: class {
      onmessage: (event: { data: unknown }) => void = () => undefined;
      constructor() {
        hear = (data) => {
          this.onmessage({ data });
        };
      }
      postMessage(): void {
        return;
      }
    },
    window: { addEventListener: () => undefined, removeEventListener: () => undefined },
  });
});

afterEach(() => {
  const { localStorage: storage, ...others } = originals;
  Object.assign(globalThis, others);
  if (storage !== undefined) Object.defineProperty(globalThis, "localStorage", storage);
});

test("a donor that is stopped while it waits for the lock never starts", async () => {
  const scene = new Scene();
  const started = scene.control.start(SETTINGS);
  await scene.control.stop(false);
  scene.locks.grant();
  await started;
  await settled();
  assert.deepEqual(scene.states, ["starting", "stopping", "off"]);
  assert.equal(scene.locks.held, 0);
});

test("a donor that is stopped while its worker is loaded never starts", async () => {
  const scene = new Scene();
  const started = scene.control.start(SETTINGS);
  scene.locks.grant();
  await settled();
  assert.equal(scene.locks.held, 1);
  await scene.control.stop(false);
  scene.deliver();
  await started;
  await settled();
  assert.deepEqual(scene.states, ["starting", "stopping", "off"]);
  assert.equal(scene.worker.terminated, true);
  assert.deepEqual(scene.worker.told, []);
  assert.equal(scene.locks.held, 0);
});

test("a stop from another tab counts while the donor starts, too", async () => {
  const scene = new Scene();
  const started = scene.control.start(SETTINGS);
  scene.locks.grant();
  await settled();
  hear({ type: "stop" });
  scene.deliver();
  await started;
  await settled();
  assert.deepEqual(scene.states, ["starting", "stopping", "off"]);
  assert.deepEqual([scene.worker.told, scene.locks.held], [[], 0]);
});

test("a donor that nobody stops starts", async () => {
  const scene = new Scene();
  const started = scene.control.start(SETTINGS);
  scene.locks.grant();
  await settled();
  scene.deliver();
  await started;
  assert.deepEqual(scene.worker.told, ["start"]);
  assert.equal(scene.locks.held, 1);
  void scene.control.stop(false);
  assert.deepEqual(scene.worker.told, ["start", "stop"]);
});

test("a smaller storage frees at once though nothing is given, and nothing starts meanwhile", async () => {
  const scene = new Scene();
  const freed = scene.control.free(16_000_000);
  scene.locks.grant();
  await settled();
  scene.deliver();
  await freed;
  await scene.control.start(SETTINGS);
  assert.deepEqual([scene.worker.told, scene.states], [["free"], ["freeing"]]);
  scene.worker.report({ type: "stopped", erased: false });
  await settled();
  assert.deepEqual([scene.states.at(-1), scene.locks.held], ["off", 0]);
});

test("what a donor gave is written down for whoever gives on this site next, until it is erased", async () => {
  const stored = new Map<string, string>();
  const storage = {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, text: string) => stored.set(key, text),
    removeItem: (key: string) => stored.delete(key),
  };
  Object.defineProperty(globalThis, "localStorage", { value: storage, configurable: true });
  const scene = new Scene();
  const started = scene.control.start(SETTINGS);
  scene.locks.grant();
  await settled();
  scene.deliver();
  await started;
  const status = { sentTodayBytes: 5, sentThisMonthBytes: 9 } as DonorStatus; // as: what is used of it
  scene.worker.report({ type: "status", status });
  const { dayBytes, monthBytes } = siteCharge() ?? {};
  assert.deepEqual([dayBytes, monthBytes], [5, 9]);
  await scene.control.stop(true);
  scene.worker.report({ type: "status", status: { ...status, sentTodayBytes: 6 } });
  assert.equal(siteCharge()?.dayBytes, 6, "the last figures count, too");
  scene.worker.report({ type: "stopped", erased: true });
  assert.equal(stored.size, 0);
});

test("what another tab gives from is not erased under it", async () => {
  const scene = new Scene();
  scene.locks.held = 1;
  const erased = scene.control.stop(true);
  scene.locks.grant();
  await erased;
  assert.deepEqual(scene.states, ["stopping", "elsewhere"]);
  assert.deepEqual(scene.worker.told, []);
  assert.equal(scene.erased, false);
});

test("what an earlier visit left is erased, and the lock given back", async () => {
  const scene = new Scene();
  const erased = scene.control.stop(true);
  scene.locks.grant();
  await settled();
  scene.deliver();
  await erased;
  assert.deepEqual(scene.worker.told, ["erase"]);
  assert.equal(scene.locks.held, 1);
  scene.worker.report({ type: "stopped", erased: true });
  await settled();
  assert.deepEqual(scene.states, ["stopping", "off"]);
  assert.equal(scene.locks.held, 0);
  assert.equal(scene.erased, true);
});

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

  async request(_name: string, ...rest: unknown[]): Promise<void> {
    const run = rest.at(-1) as (lock: object | null) => unknown; // as: after options or without
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
  readonly messages: ToDonor[] = [];
  terminated = false;
  onmessage: unknown = null;
  onerror: unknown = null;

  postMessage(message: ToDonor): void {
    this.told.push(message.type);
    this.messages.push(message);
  }

  terminate(): void {
    this.terminated = true;
  }

  /** Limits of storage that it was told, in bytes, in their order. */
  get limits(): number[] {
    return this.messages.flatMap((message) => {
      if (message.type === "free") return [message.storageBytes];
      if (message.type === "change") return [message.settings.storageBytes];
      return message.type === "start" ? [message.start.settings.storageBytes] : [];
    });
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

/** Lets a free begin, which takes the lock and a worker. */
async function freeing(scene: Scene): Promise<void> {
  await settled();
  scene.locks.grant();
  await settled();
  scene.deliver();
  await settled();
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

test("limits that are lowered while the donor starts are those that it starts with", async () => {
  const scene = new Scene();
  const started = scene.control.start(SETTINGS);
  scene.locks.grant();
  await settled();
  scene.control.change({ ...SETTINGS, storageBytes: 1_000, upBytesPerS: 64_000 });
  scene.deliver();
  await started;
  const [start] = scene.worker.messages;
  assert.ok(start?.type === "start");
  assert.deepEqual(start.start.settings, { ...SETTINGS, storageBytes: 1_000, upBytesPerS: 64_000 });
  void scene.control.stop(false);
});

test("a second smaller storage while the first frees is freed after it", async () => {
  const scene = new Scene();
  void scene.control.free(500);
  await freeing(scene);
  void scene.control.free(100);
  assert.deepEqual(scene.worker.limits, [500]);
  scene.worker.report({ type: "stopped", erased: false });
  await freeing(scene);
  scene.worker.report({ type: "stopped", erased: false });
  await settled();
  assert.deepEqual([scene.worker.limits, scene.control.state.is, scene.locks.held], [[500, 100], "off", 0]);
});

test("a smaller storage is freed when the other tab has ended, after a stop, and after a failure", async () => {
  const elsewhere = new Scene();
  elsewhere.locks.held = 1;
  void elsewhere.control.free(100);
  elsewhere.locks.grant();
  await settled();
  assert.equal(elsewhere.control.state.is, "elsewhere");
  elsewhere.locks.held = 0;
  elsewhere.locks.grant(); // to whoever waits for it
  await freeing(elsewhere);
  assert.deepEqual(elsewhere.worker.limits, [100]);

  const stopping = new Scene();
  const started = stopping.control.start(SETTINGS);
  await freeing(stopping);
  await started;
  void stopping.control.stop(false);
  void stopping.control.free(100);
  stopping.worker.report({ type: "stopped", erased: false });
  await freeing(stopping);
  assert.deepEqual(stopping.worker.limits, [SETTINGS.storageBytes, 100]);
  stopping.worker.report({ type: "failed", code: "store_unreadable", message: "no" });
  assert.equal(stopping.control.state.is, "failed");
  void stopping.control.free(50);
  await freeing(stopping);
  assert.equal(stopping.worker.limits.at(-1), 50);
});

test("what a donor has freed itself, or a larger storage has taken back, is not freed again", async () => {
  const scene = new Scene();
  const started = scene.control.start(SETTINGS);
  await freeing(scene);
  await started;
  void scene.control.free(100);
  scene.control.change({ ...SETTINGS, storageBytes: 100 });
  scene.worker.report({ type: "status", status: { usedBytes: 100 } as DonorStatus }); // as: what is used of it
  void scene.control.stop(false);
  scene.worker.report({ type: "stopped", erased: false });
  await freeing(scene);
  assert.equal(scene.control.state.is, "off");

  void scene.control.free(200);
  await settled();
  scene.control.change({ ...SETTINGS, storageBytes: 300 });
  await freeing(scene);
  assert.equal(scene.worker.limits.at(-1), 300);
});

test("a worker that breaks down while it frees leaves no state that nothing ends", async () => {
  const scene = new Scene();
  void scene.control.free(100);
  await freeing(scene);
  (scene.worker.onerror as () => void)(); // as: set by who is tested
  await settled();
  assert.deepEqual([scene.control.state.is, scene.locks.held], ["failed", 0]);
});

test("what comes before a start is done under the lock: it can stop it, and not where another tab gives", async () => {
  const scene = new Scene();
  let heldThen = 0;
  const first = (mayStart: boolean) => () => {
    heldThen = scene.locks.held;
    return Promise.resolve(mayStart);
  };
  const started = scene.control.start(SETTINGS, first(false));
  scene.locks.grant();
  await started;
  await settled();
  assert.deepEqual([heldThen, scene.locks.held, scene.states, scene.worker.told], [1, 0, ["starting", "off"], []]);

  const again = scene.control.start(SETTINGS, first(true));
  await freeing(scene);
  await again;
  assert.deepEqual(scene.worker.told, ["start"]);
  void scene.control.stop(false);

  const other = new Scene();
  other.locks.held = 1;
  let isDone = false;
  const refused = other.control.start(SETTINGS, () => Promise.resolve((isDone = true)));
  other.locks.grant();
  await refused;
  assert.deepEqual([isDone, other.states], [false, ["starting", "elsewhere"]]);
});

/** Stop means stop, whatever the start is waiting for at that moment. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { NO_LIMITS } from "../../src/core/allowance.ts";
import { DonorControl, type DonorState } from "../../src/donate/donor-control.ts";
import type { FromDonor, ToDonor } from "../../src/donate/messages.ts";
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
  BroadcastChannel: globalThis.BroadcastChannel,
  window: Reflect.get(globalThis, "window") as unknown,
};

beforeEach(() => {
  Object.assign(globalThis, {
    BroadcastChannel: class {
      onmessage: unknown = null;
      postMessage(): void {
        return;
      }
    },
    window: { addEventListener: () => undefined, removeEventListener: () => undefined },
  });
});

afterEach(() => {
  Object.assign(globalThis, originals);
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

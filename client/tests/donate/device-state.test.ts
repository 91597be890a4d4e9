/** What a device tells of itself, where its browser has a word of it. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { DeviceState } from "../../src/core/allowance.ts";
import { deviceNow, watchDevice, watchPressure } from "../../src/donate/device-state.ts";

const NAMES = ["navigator", "PressureObserver"] as const;
const before = NAMES.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);

afterEach(() => {
  for (const [name, descriptor] of before) {
    if (descriptor === undefined) Reflect.deleteProperty(globalThis, name);
    else Object.defineProperty(globalThis, name, descriptor);
  }
});

function browser(name: (typeof NAMES)[number], value: unknown): void {
  Object.defineProperty(globalThis, name, { value, configurable: true });
}

class Battery extends EventTarget {
  charging = true;
}
class Connection extends EventTarget {
  type = "wifi";
  saveData = false;
}

test("the charger that is pulled out and the network that becomes mobile are told at once, until the end", async () => {
  const [battery, connection] = [new Battery(), new Connection()];
  browser("navigator", { getBattery: () => Promise.resolve(battery), connection });
  assert.deepEqual(await deviceNow(), { charging: true, metered: false });
  const told: DeviceState[] = [];
  const end = watchDevice((device) => told.push(device));
  await setImmediate();
  assert.deepEqual(told.at(-1), { charging: true, metered: false });
  battery.charging = false;
  battery.dispatchEvent(new Event("chargingchange"));
  assert.deepEqual(told.at(-1), { charging: false, metered: false });
  connection.type = "cellular";
  connection.dispatchEvent(new Event("change"));
  assert.deepEqual(told.at(-1), { charging: false, metered: true });
  const count = told.length;
  end();
  battery.dispatchEvent(new Event("chargingchange"));
  connection.dispatchEvent(new Event("change"));
  assert.equal(told.length, count);
});

test("who asked to save data counts as metered, whatever the network is", async () => {
  const connection = Object.assign(new Connection(), { saveData: true, type: "unknown" });
  browser("navigator", { connection });
  assert.deepEqual(await deviceNow(), { charging: null, metered: true });
});

test("a browser without a word of it, or one that refuses, offers neither limit", async () => {
  browser("navigator", {});
  assert.deepEqual(await deviceNow(), { charging: null, metered: null });
  const unknown = Object.assign(new Connection(), { type: "unknown" });
  browser("navigator", { getBattery: () => Promise.reject(new Error("NotAllowedError")), connection: unknown });
  assert.deepEqual(await deviceNow(), { charging: null, metered: null });
});

test("pressure is told as the system says it, until the end; a refusal is as no word", async () => {
  let say: (records: readonly { state: string }[]) => void = () => undefined;
  let isEnded = false;
  class Observer {
    constructor(changed: typeof say) {
      say = changed;
    }
    observe(source: string): Promise<void> {
      assert.equal(source, "cpu");
      return Promise.reject(new Error("NotAllowedError"));
    }
    disconnect(): void {
      isEnded = true;
    }
  }
  browser("PressureObserver", Observer);
  const told: string[] = [];
  const end = watchPressure((pressure) => told.push(pressure));
  await setImmediate();
  say([{ state: "nominal" }, { state: "critical" }]);
  assert.deepEqual(told, ["critical"], "the latest counts");
  end();
  assert.ok(isEnded);
});

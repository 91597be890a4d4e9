/** The screen of a phone that donates. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { ScreenLock } from "../../src/pages/wake-lock.ts";

const NAMES = ["document", "navigator", "matchMedia"] as const;
const before = NAMES.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);

afterEach(() => {
  for (const [name, descriptor] of before) {
    if (descriptor === undefined) Reflect.deleteProperty(globalThis, name);
    else Object.defineProperty(globalThis, name, descriptor);
  }
});

/** A device whose browser takes the lock away when the page is hidden, as all do. */
class Device {
  locks = 0;
  asked = 0;
  /** The system's word, since the battery is low. */
  takeAway: () => void = () => undefined;
  refuses = false;
  #listener: () => void = () => undefined;
  readonly #document = {
    visibilityState: "visible",
    addEventListener: (_type: string, listener: () => void) => (this.#listener = listener),
  };

  constructor(isPhone: boolean) {
    const lock = {
      release: () => {
        this.locks -= 1;
        return Promise.resolve();
      },
      addEventListener: (_type: string, listener: () => void) => {
        this.takeAway = () => {
          this.locks -= 1;
          listener();
        };
      },
    };
    const request = () => {
      this.asked += 1;
      if (this.refuses || this.#document.visibilityState === "hidden") return Promise.reject(new Error("not allowed"));
      this.locks += 1;
      return Promise.resolve(lock);
    };
    const fakes = {
      document: this.#document,
      navigator: { wakeLock: { request } },
      matchMedia: () => ({ matches: isPhone }),
    };
    for (const name of NAMES) Object.defineProperty(globalThis, name, { value: fakes[name], configurable: true });
  }

  see(isSeen: boolean): void {
    this.#document.visibilityState = isSeen ? "visible" : "hidden";
    if (!isSeen) this.locks = 0;
    this.#listener();
  }
}

test("a phone that donates keeps its screen on while the page is seen, and no longer than it donates", async () => {
  const device = new Device(true);
  const screen = new ScreenLock();
  assert.equal(device.locks, 0, "nothing is asked for before it donates");
  screen.want(true);
  screen.want(true);
  await setImmediate();
  assert.deepEqual([device.locks, device.asked], [1, 1]);
  device.see(false);
  device.see(true);
  await setImmediate();
  assert.deepEqual([device.locks, device.asked], [1, 2], "asked for again when it is seen again");
  screen.want(false);
  await setImmediate();
  assert.equal(device.locks, 0);
  device.see(true);
  assert.equal(device.asked, 2);
});

test("a phone that begins out of sight, is refused or loses the lock asks again when it is seen", async () => {
  const device = new Device(true);
  const screen = new ScreenLock();
  device.see(false);
  screen.want(true);
  await setImmediate();
  assert.equal(device.asked, 0, "out of sight it is not asked for: browsers refuse it");
  device.refuses = true;
  device.see(true);
  await setImmediate();
  assert.deepEqual([device.locks, device.asked], [0, 1]);
  device.refuses = false;
  device.see(true);
  await setImmediate();
  assert.deepEqual([device.locks, device.asked], [1, 2]);
  device.takeAway();
  device.see(true);
  await setImmediate();
  assert.deepEqual([device.locks, device.asked], [1, 3]);
});

test("a desktop's screen is left alone", async () => {
  const device = new Device(false);
  new ScreenLock().want(true);
  await setImmediate();
  assert.equal(device.asked, 0);
});

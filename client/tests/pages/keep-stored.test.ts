/** When the browser is asked to keep what is stored, and what is said of it. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { KeepStored, type KeepingBrowser } from "../../src/pages/keep-stored.ts";
import { TEXT } from "../../src/pages/donate-text.ts";

class FakeElement {
  textContent = "";
  hidden = true;
  press: () => void = () => undefined;
  addEventListener(_type: string, listener: () => void): void {
    this.press = listener;
  }
}

const NAMES = ["document", "HTMLElement", "HTMLButtonElement"] as const;
const before = NAMES.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);
let kept = new FakeElement();
let keep = new FakeElement();

beforeEach(() => {
  [kept, keep] = [new FakeElement(), new FakeElement()];
  const document = { getElementById: (id: string) => (id === "kept" ? kept : keep), activeElement: null };
  const fakes = { document, HTMLElement: FakeElement, HTMLButtonElement: FakeElement };
  for (const name of NAMES) Object.defineProperty(globalThis, name, { value: fakes[name], configurable: true });
});

afterEach(() => {
  for (const [name, descriptor] of before) {
    if (descriptor === undefined) Reflect.deleteProperty(globalThis, name);
    else Object.defineProperty(globalThis, name, descriptor);
  }
});

/** A browser that keeps or not when it is asked; `asked` counts. */
function browser(answers: { asks: boolean; allows: boolean; isKept?: boolean }): KeepingBrowser & { asked: number } {
  const made = {
    asked: 0,
    persisted: () => Promise.resolve(answers.isKept === true),
    persist: () => {
      made.asked += 1;
      return Promise.resolve(answers.allows);
    },
    asksPerson: () => Promise.resolve(answers.asks),
  };
  return made;
}

test("a browser that decides by itself is asked once donating was started, and not before", async () => {
  const silent = browser({ asks: false, allows: true });
  const keeping = new KeepStored(silent);
  assert.equal(silent.asked, 0);
  await keeping.started();
  assert.deepEqual([silent.asked, kept.textContent, keep.hidden], [1, TEXT.kept, true]);
});

test("a refusal is said in words, and nothing is to be pressed", async () => {
  await new KeepStored(browser({ asks: false, allows: false })).started();
  assert.deepEqual([kept.textContent, keep.hidden], [TEXT.keptWhileRoom, true]);
});

test("a browser that asks the person is asked by a button", async () => {
  const asking = browser({ asks: true, allows: true });
  await new KeepStored(asking).started();
  assert.deepEqual([asking.asked, kept.textContent, keep.hidden], [0, TEXT.keptWhileRoom, false]);
  keep.press();
  await setImmediate();
  assert.deepEqual([asking.asked, kept.textContent, keep.hidden], [1, TEXT.kept, true]);
});

test("an answer is seen, also when it is no", async () => {
  const asking = browser({ asks: true, allows: false });
  await new KeepStored(asking).started();
  keep.press();
  await setImmediate();
  assert.deepEqual([kept.textContent, keep.hidden], [TEXT.keptRefused, true]);
});

test("what is kept already is not asked for again", async () => {
  const keeper = browser({ asks: true, allows: false, isKept: true });
  await new KeepStored(keeper).started();
  assert.deepEqual([keeper.asked, kept.textContent], [0, TEXT.kept]);
});

test("a policy that forbids the question is as a refusal", async () => {
  const forbidding = browser({ asks: false, allows: true });
  forbidding.persist = () => Promise.reject(new Error("forbidden"));
  await new KeepStored(forbidding).started();
  assert.equal(kept.textContent, TEXT.keptWhileRoom);
});

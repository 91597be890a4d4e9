/** Which clicks are ours. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { isPlainClick, linkOf } from "../../src/snippet/clicks.ts";

/** As much of a link as is asked for. */
class FakeLink {
  readonly dataset: Record<string, string>;
  readonly isContentEditable: boolean;
  readonly #href: string;

  constructor(href: string, { dataset = {}, isContentEditable = false } = {}) {
    this.#href = href;
    this.dataset = dataset;
    this.isContentEditable = isContentEditable;
  }

  get protocol(): string {
    return this.#href === "" ? ":" : new URL(this.#href, "https://page.example/").protocol;
  }

  getAttribute(): string {
    return this.#href;
  }

  matches(selector: string): boolean {
    return selector === "a.download";
  }
}
Object.assign(globalThis, { HTMLAnchorElement: FakeLink });

function found(...path: unknown[]): unknown {
  return linkOf(path as EventTarget[], "a.download"); // as: fakes
}

const PLAIN = { defaultPrevented: false, button: 0, metaKey: false, ctrlKey: false, shiftKey: false, altKey: false };

test("a click of the main button, or Enter, with nothing held is ours", () => {
  assert.equal(isPlainClick(PLAIN), true);
});

for (const change of [
  { defaultPrevented: true },
  { button: 1 },
  { button: 2 },
  { metaKey: true },
  { ctrlKey: true },
  { shiftKey: true },
  { altKey: true },
]) {
  test(`a click with ${JSON.stringify(change)} is not ours`, () => {
    assert.equal(isPlainClick({ ...PLAIN, ...change }), false);
  });
}

test("the innermost matching link of an event's path counts", () => {
  const link = new FakeLink("https://mirror.example/file.iso");
  assert.equal(found({}, link, {}), link);
  assert.equal(found({}, {}), undefined);
  assert.equal(linkOf([link] as unknown as EventTarget[], "a.other"), undefined); // as: a fake
});

for (const href of [
  "mailto:a@page.example",
  "javascript:void 0",
  "blob:https://page.example/1",
  "data:,x",
  "#files",
  "",
]) {
  test(`a link to ${JSON.stringify(href)} is left alone`, () => {
    assert.equal(found(new FakeLink(href)), undefined);
  });
}

test("a link with the file's id may lead anywhere on the page, and an edited one nowhere", () => {
  const named = new FakeLink("#", { dataset: { distribute: "00" } });
  assert.equal(found(named), named);
  assert.equal(found(new FakeLink("https://mirror.example/f", { isContentEditable: true })), undefined);
});

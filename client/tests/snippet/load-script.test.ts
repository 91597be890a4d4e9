import assert from "node:assert/strict";
import { test } from "node:test";
import { loadScript } from "../../src/snippet/load-script.ts";
import { registry, type MorePart } from "../../src/snippet/part.ts";

interface FakeScript {
  integrity: string;
  onload: () => void;
  remove: () => void;
}

test("who asks while a part is on its way waits for that one; one that did not come is asked for again", async () => {
  const asked: FakeScript[] = [];
  const createElement = () => ({ remove: () => undefined });
  Object.assign(globalThis, {
    document: { createElement, head: { append: (script: FakeScript) => asked.push(script) } },
  });
  const load = () => loadScript({ parts: { "more.js": "sha384-x" }, partsUrl: "https://c.example/" }, "more.js", "");
  const failing = [load(), load()];
  assert.equal(asked.length, 1);
  asked[0]?.onload();
  for (const each of failing) await assert.rejects(each, /unavailable/);

  const loads = [load(), load()];
  assert.equal(asked.length, 2);
  const part = { follow: () => assert.fail() } as MorePart;
  registry()[asked[1]?.integrity ?? ""] = part;
  asked[1]?.onload();
  assert.deepEqual(await Promise.all([...loads, load()]), [part, part, part]);
  assert.equal(asked.length, 2);
});

test("a part without a pin is not brought in", async () => {
  const asked: unknown[] = [];
  Object.assign(globalThis, { document: { createElement: () => asked.push("element"), head: {} } });
  await assert.rejects(loadScript({ parts: {}, partsUrl: "https://c.example/" }, "more.js", ""), /unpinned/);
  assert.deepEqual(asked, []);
});

/** The tag's attributes. */

import assert from "node:assert/strict";
import { before, test } from "node:test";

import type { LinkOptions } from "../../src/snippet/part.ts";
import { isNewTag } from "../../src/snippet/part.ts";
import { readTag } from "../../src/snippet/tag.ts";

const HASHED = `https://dio.example/v/${"a".repeat(32)}/distribute.js`;

before(() => {
  const fragment = {
    querySelector: (selector: string) => {
      if (selector.includes("[[")) throw new SyntaxError("no selector");
      return null;
    },
  };
  Object.assign(globalThis, { document: { createDocumentFragment: () => fragment } });
});

function read(dataset: Record<string, string>, src = HASHED): LinkOptions | undefined {
  return readTag({ src, dataset }, { baseUrl: "https://page.example/docs/", parts: { "download.js": "sha384-x" } });
}

test("a tag without attributes has the documented defaults", () => {
  assert.deepEqual(read({}), {
    selector: "a[data-distribute]",
    coordinatorUrl: "https://dio.example",
    partsUrl: `https://dio.example/v/${"a".repeat(32)}/`,
    parts: { "download.js": "sha384-x" },
    keys: [],
    peers: "on",
    share: "ask",
    ui: "panel",
    workerUrl: null,
    serviceWorkerUrl: null,
  });
});

test("keys are told apart by spaces, addresses are relative to the document", () => {
  const options = read({
    select: "a.download",
    key: " ed25519:A  ed25519:B\n",
    coordinator: "https://other.example/dio/",
    peers: "ask",
    share: "off",
    ui: "none",
    worker: "worker.js",
    sw: "/sw.js",
  });
  assert.deepEqual(options?.keys, ["ed25519:A", "ed25519:B"]);
  assert.equal(options.coordinatorUrl, "https://other.example/dio");
  assert.deepEqual([options.peers, options.share, options.ui], ["ask", "off", "none"]);
  assert.equal(options.workerUrl, "https://page.example/docs/worker.js");
  assert.equal(options.serviceWorkerUrl, "https://page.example/sw.js");
});

test("a word that is none counts as the default", () => {
  assert.deepEqual([read({ peers: "sometimes" })?.peers, read({ ui: "" })?.ui], ["on", "panel"]);
});

test("the links are left alone where the selector or an address is none", () => {
  assert.equal(read({ select: "a[[" }), undefined);
  assert.equal(read({ coordinator: "https://" }), undefined);
  assert.equal(read({ worker: "https://:x" }), undefined);
});

test("a loader without its immutable address asks the coordinator for the latest parts", () => {
  assert.equal(read({}, "https://dio.example/distribute.js")?.partsUrl, "https://dio.example/v/latest/");
});

test("a loader on a page's own server has its parts beside it", () => {
  const options = read({ coordinator: "https://dio.example" }, "/static/distribute.js");
  assert.equal(options?.partsUrl, "https://page.example/static/");
});

test("a tag that is run again counts once, and another one too", () => {
  const [first, again, other] = [read({}), read({}), read({ select: "a.other" })];
  assert.ok(first !== undefined && again !== undefined && other !== undefined);
  assert.deepEqual([isNewTag(first), isNewTag(again), isNewTag(other)], [true, false, true]);
});

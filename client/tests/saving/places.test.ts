/** Which place comes next, in browsers of all kinds. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Places } from "../../src/saving/places.ts";

const GIB = 2 ** 30;
const FILE = { fileId: "ab".repeat(32), sizeBytes: 6 * GIB };

/** Firefox, with so much used of its ten gibibytes, of which these files are. */
function firefox(usage: number, files: Record<string, number>, persist: () => Promise<boolean>) {
  const folder = {
    getDirectoryHandle: () => Promise.resolve(folder),
    getFileHandle: (name: string) =>
      name in files
        ? Promise.resolve({ getFile: () => Promise.resolve({ size: files[name] }) })
        : Promise.reject(new DOMException("", "NotFoundError")),
    keys: () => Object.keys(files)[Symbol.iterator](),
  };
  const storage = {
    estimate: () => Promise.resolve({ quota: 10 * GIB, usage }),
    persisted: () => Promise.resolve(false),
    persist,
    getDirectory: () => Promise.resolve(folder),
  };
  Object.defineProperty(globalThis, "navigator", {
    value: { storage, userActivation: { isActive: true } },
    configurable: true,
  });
  Object.assign(globalThis, { window: {} });
}

/** The places of the file. */
function placesOf(signal = new AbortController().signal): Places {
  return new Places(FILE, "app.iso", { serviceWorkerUrl: null }, signal);
}

for (const [rule, files, asks] of [
  ["a file that seems to find no room has the visitor asked for more", {}, true],
  ["what is stored of the file itself needs no room any more", { [`${FILE.fileId}.part`]: FILE.sizeBytes }, false],
] as const) {
  test(rule, async () => {
    let asked = false;
    firefox(6 * GIB, files, () => {
      asked = true;
      return Promise.resolve(true);
    });
    assert.deepEqual(await placesOf().next(), { kind: "opfs" });
    assert.equal(asked, asks);
  });
}

test("when the download has ended while the visitor was asked, nobody is asked for anything more", async () => {
  const ended = new AbortController();
  firefox(6 * GIB, {}, () => {
    ended.abort(new Error("cancelled"));
    return Promise.resolve(true);
  });
  await assert.rejects(placesOf(ended.signal).next(), /cancelled/);
});

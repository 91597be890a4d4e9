/** What a tab learns of the one that has the same file. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Broadcast, tellSaved, waitForOther } from "../../src/saving/other-tab.ts";

const FILE_ID = "ab".repeat(32);
const PROGRESS = { receivedBytes: 7, keptBytes: 0, rateBytesPerS: 7, sources: [] };

/** Ends the other tab's download, with what it leaves. */
let end: (names: string[]) => void;

beforeEach(() => {
  const files: string[] = [];
  const ended = new Promise<void>((resolve) => {
    end = (names) => {
      files.push(...names);
      resolve();
    };
  });
  const folder = {
    getDirectoryHandle: () => Promise.resolve(folder),
    getFileHandle: (name: string) =>
      files.includes(name)
        ? Promise.resolve({ getFile: () => Promise.resolve(new File(["all"], name)) })
        : Promise.reject(new DOMException("there is no such file", "NotFoundError")),
    keys: () => files,
  };
  const locks = { request: (_name: string, _options: unknown, then: () => unknown) => ended.then(then) };
  const navigator = { locks, storage: { getDirectory: () => Promise.resolve(folder) } };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
});

function wait(heard: unknown[] = []) {
  return waitForOther(FILE_ID, 1_000, new AbortController().signal, (progress) => heard.push(progress));
}

test("the other tab's progress is heard, and that it saved the file", async () => {
  const heard: unknown[] = [];
  const waiting = wait(heard);
  const broadcast = new Broadcast(FILE_ID);
  broadcast.progressed(PROGRESS);
  end([`${FILE_ID}.1000.done`]);
  tellSaved(FILE_ID);
  const other = await waiting;
  broadcast.close();
  assert.deepEqual([other?.blob.name, other?.saved, heard], [`${FILE_ID}.1000.done`, true, [PROGRESS]]);
});

test("a file of which nobody says that it was saved is not taken for saved", async () => {
  const waiting = wait();
  end([`${FILE_ID}.1000.done`]);
  assert.equal((await waiting)?.saved, false);
});

test("a file whose journal is still there was not compared with its whole digest", async () => {
  const waiting = wait();
  end([`${FILE_ID}.1000.done`, `${FILE_ID}.journal`]);
  assert.equal(await waiting, undefined);
});

test("a download that ended without a file leaves none, nor does an older one", async () => {
  const waiting = wait();
  end([`${FILE_ID}.999.done`]);
  assert.equal(await waiting, undefined);
});

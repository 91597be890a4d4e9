import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeEntry, Mark } from "../../src/core/download-journal.ts";
import { SegmentLayout } from "../../src/core/segment-layout.ts";
import { listUnfinished } from "../../src/saving/kept-files.ts";

const ID = "ab".repeat(32);
const LAYOUT = new SegmentLayout(3 * 65_536, 65_536);

/** A folder in which each file is written so often while it is read. */
function putFolder(writes: Readonly<Record<string, number>>): void {
  const entry = encodeEntry(
    { fileId: ID, segmentsSha256: "cd".repeat(32), layout: LAYOUT },
    { counter: 1, marks: Uint8Array.of(Mark.durable, Mark.durable, Mark.missing), front: undefined },
  );
  const contents: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
    [`${ID}.part`]: new Uint8Array(3 * 65_536),
    [`${ID}.journal`]: new Uint8Array([...entry, ...new Uint8Array(entry.length)]),
    [`${ID}.about`]: new TextEncoder().encode(JSON.stringify({ name: "a.iso", href: null })),
  };
  const left = { ...writes };
  const read = <Content>(name: string, content: Content): Promise<Content> => {
    const writesLeft = left[name] ?? 0;
    left[name] = writesLeft - 1;
    return writesLeft > 0 ? Promise.reject(new DOMException("written", "NotReadableError")) : Promise.resolve(content);
  };
  const folder = {
    getDirectoryHandle: () => Promise.resolve(folder),
    keys: () => Object.keys(contents),
    getFileHandle: (name: string) => {
      const bytes = contents[name];
      if (bytes === undefined) return Promise.reject(new DOMException("none", "NotFoundError"));
      const file = {
        size: bytes.length,
        lastModified: 1,
        arrayBuffer: () => read(name, bytes.buffer),
        text: () => read(name, new TextDecoder().decode(bytes)),
      };
      return Promise.resolve({ getFile: () => Promise.resolve(file) });
    },
  };
  const navigator = {
    storage: { getDirectory: () => Promise.resolve(folder) },
    locks: { query: () => Promise.resolve({ held: [] }) },
  };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
}

test("a journal that is written while it is read is read again", async () => {
  putFolder({ [`${ID}.journal`]: 2, [`${ID}.about`]: 1 });
  const [found] = await listUnfinished();
  assert.equal(found?.storedBytes, 2 * 65_536);
  assert.equal(found.name, "a.iso");
});

test("a journal that cannot be read takes no download from the list", async () => {
  putFolder({ [`${ID}.journal`]: 1_000, [`${ID}.about`]: 1_000 });
  const [found] = await listUnfinished();
  assert.deepEqual([found?.storedBytes, found?.name, found?.sizeBytes], [0, null, 3 * 65_536]);
});

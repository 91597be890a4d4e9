/** What leaves for the download folder while a file comes, and when. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { OrderedSink } from "../../src/storage/ordered-store.ts";
import { StoreError } from "../../src/wire/errors.ts";
import { FrontSaver } from "../../src/worker/front-saver.ts";
import { FakeFile, FakeStore, settled } from "./fakes.ts";

/** A browser's download that takes what comes, unless it is held. */
class FakeDownload implements OrderedSink {
  readonly taken: number[] = [];
  end: "complete" | "broken" | undefined;
  failure: Error | undefined;
  /** The browser asks for no more until this ends. */
  held: Promise<void> | undefined;

  async write(bytes: Uint8Array): Promise<void> {
    await this.held;
    if (this.failure !== undefined) throw this.failure;
    this.taken.push(...bytes);
  }

  close(): Promise<undefined> {
    this.end = "complete";
    return Promise.resolve(undefined);
  }

  abort(): Promise<void> {
    this.end = "broken";
    return Promise.resolve();
  }
}

/** A file of five segments, of which some are stored. */
function begun(...stored: number[]) {
  const file = new FakeFile(4_321, 1_000);
  const store = new FakeStore(file.layout);
  const download = new FakeDownload();
  const isThere = new Set<number>();
  const interruptions: string[] = [];
  const put = (index: number) => {
    store.written.set(index, file.slice(file.layout.startOf(index), file.layout.endOf(index)));
    isThere.add(index);
  };
  stored.forEach(put);
  const saver = new FrontSaver(
    file.layout,
    store,
    download,
    (index) => isThere.has(index),
    ({ code }) => interruptions.push(code),
  );
  const arrive = (index: number) => {
    put(index);
    saver.advance();
  };
  return { file, store, download, saver, arrive, interruptions };
}

test("what is stored leaves in the order of the file, whatever order it came in, and the last segment stays", async () => {
  const { file, download, arrive, saver } = begun(0, 3);
  await settled();
  assert.equal(download.taken.length, 1_000);
  arrive(2);
  await settled();
  assert.equal(download.taken.length, 1_000);
  arrive(4);
  arrive(1);
  await settled();
  assert.deepEqual(download.taken, [...file.bytes.subarray(0, 4_000)]);
  assert.equal(download.end, undefined);
  assert.equal(await saver.finish(), true);
  assert.deepEqual(download.taken, [...file.bytes]);
  assert.equal(download.end, "complete");
  saver.leave();
  assert.equal(download.end, "complete");
});

test("a file that is not right never has its last segment", async () => {
  const { download, saver } = begun(0, 1, 2, 3, 4);
  await settled();
  saver.leave();
  await settled();
  assert.deepEqual([download.taken.length, download.end], [4_000, "broken"]);
  assert.equal(await saver.finish(), false);
});

test("one segment at a time is read, and only as fast as the browser takes them", async () => {
  const { store, download, saver, arrive } = begun();
  let release: () => void = () => undefined;
  download.held = new Promise((resolve) => (release = resolve));
  let reads = 0;
  const read = store.read.bind(store);
  store.read = (...words) => {
    reads += 1;
    return read(...words);
  };
  [0, 1, 2, 3, 4].forEach(arrive);
  const ended = saver.finish();
  await settled();
  assert.equal(reads, 1);
  release();
  assert.equal(await ended, true);
  assert.equal(reads, 5);
});

test("a download that was ended in the browser's own list interrupts ours", async () => {
  const { download, arrive, saver, interruptions } = begun(0);
  await settled();
  download.failure = new StoreError("save_interrupted", "ended");
  arrive(1);
  await settled();
  arrive(2);
  assert.deepEqual(interruptions, ["save_interrupted"]);
  assert.equal(await saver.finish(), false);
});

test("a store that cannot be read back, or a service worker that is gone, only costs the early save", async () => {
  const { store, download, arrive, saver, interruptions } = begun(0);
  await settled();
  store.failure = new Error("gone");
  arrive(1);
  await settled();
  assert.deepEqual([download.end, interruptions], ["broken", []]);
  assert.equal(await saver.finish(), false);

  const other = begun(0, 1, 2, 3, 4);
  other.download.held = new Promise(() => undefined); // nobody asks for more
  other.arrive(4);
  const ended = other.saver.finish();
  other.saver.leave();
  assert.equal(await ended, false);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  MEMORY_BYTES_MAX,
  WINDOW_BYTES,
  leavesEarly,
  mayHandOver,
  nextRung,
  type Rung,
  type SavingConditions,
} from "../../src/core/save-ladder.ts";

const GIB = 1024 ** 3;

function rungs(given: Partial<SavingConditions>): Rung[] {
  const refused = new Set<Rung>(given.refused);
  const tried: Rung[] = [];
  for (;;) {
    const rung = nextRung({
      sizeBytes: GIB,
      roomBytes: 10 * GIB,
      canPersist: true,
      chosen: false,
      canPick: false,
      hasStream: false,
      smallMemory: false,
      ...given,
      refused,
    });
    if (rung === undefined) return tried;
    tried.push(rung);
    refused.add(rung);
  }
}

test("the private file system comes first, and more room is asked for when it has refused", () => {
  assert.deepEqual(rungs({}), ["opfs", "persist"]);
  assert.deepEqual(rungs({ canPersist: false }), ["opfs"]);
});

test("more room is asked for before a file that seems too large, and an estimate alone rules nothing out", () => {
  assert.deepEqual(rungs({ sizeBytes: 11 * GIB }), ["persist", "opfs"]);
  assert.deepEqual(rungs({ sizeBytes: 11 * GIB, canPersist: false }), ["opfs"]);
  assert.deepEqual(rungs({ sizeBytes: 11 * GIB, roomBytes: null, canPersist: false }), ["opfs"]);
});

test("then come a file dialog, if a click was just made, and the service worker", () => {
  assert.deepEqual(rungs({ canPersist: false, canPick: true, hasStream: true }), ["opfs", "file", "stream"]);
});

test("what fits the window goes to memory at once, what is still small when nothing else is left", () => {
  const all = { canPersist: false, canPick: true, hasStream: true };
  assert.deepEqual(rungs({ ...all, sizeBytes: WINDOW_BYTES }), ["opfs", "memory", "file", "stream"]);
  assert.deepEqual(rungs({ ...all, sizeBytes: WINDOW_BYTES + 1 }), ["opfs", "file", "stream", "memory"]);
  assert.deepEqual(rungs({ ...all, sizeBytes: MEMORY_BYTES_MAX + 1 }), ["opfs", "file", "stream"]);
});

test("small machines get half of everything", () => {
  const small = { canPersist: false, hasStream: true, smallMemory: true };
  assert.deepEqual(rungs({ ...small, sizeBytes: WINDOW_BYTES }), ["opfs", "stream", "memory"]);
  assert.deepEqual(rungs({ ...small, sizeBytes: MEMORY_BYTES_MAX }), ["opfs", "stream"]);
});

test("a place that was chosen is the only one", () => {
  assert.deepEqual(rungs({ chosen: true, hasStream: true, sizeBytes: 1 }), ["file"]);
});

test("only a browser that asks before a second download makes the file wait for a click", () => {
  assert.equal(mayHandOver({ asksBeforeSecond: true, sinceGesture: 0 }), true);
  assert.equal(mayHandOver({ asksBeforeSecond: true, sinceGesture: 1 }), false);
  assert.equal(mayHandOver({ asksBeforeSecond: false, sinceGesture: 5 }), true);
});

test("a large file is saved while it comes, where its sources are the limit and much is left", () => {
  const MIB = 1024 * 1024;
  const slow = {
    sizeBytes: 160 * MIB,
    receivedBytes: 25 * MIB,
    behindBytes: 0,
    rateBytesPerS: 50 * MIB,
    elapsedMs: 500,
  };
  const may = (given: Partial<typeof slow>) => leavesEarly({ ...slow, ...given });
  assert.equal(may({}), true);
  assert.equal(may({ elapsedMs: 499 }), false); // what a rate is by then means nothing
  assert.equal(may({ rateBytesPerS: 0 }), false);
  assert.equal(may({ behindBytes: 8 * MIB }), true);
  assert.equal(may({ behindBytes: 8 * MIB + 1 }), false); // a hole at the front would hold all back
  assert.equal(may({ rateBytesPerS: 64 * MIB }), true);
  assert.equal(may({ rateBytesPerS: 64 * MIB + 1 }), false); // the machine is the limit
  assert.equal(may({ receivedBytes: 110 * MIB }), true);
  assert.equal(may({ receivedBytes: 110 * MIB + 1 }), false); // over before the stream has begun
  assert.equal(may({ sizeBytes: 32 * MIB, receivedBytes: 0, rateBytesPerS: MIB }), true);
  assert.equal(may({ sizeBytes: 32 * MIB - 1, receivedBytes: 0, rateBytesPerS: MIB }), false); // copied in a moment
});

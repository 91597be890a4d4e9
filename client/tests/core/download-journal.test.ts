import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeEntry,
  encodeEntry,
  journalSummary,
  latestEntry,
  Mark,
  slotBytes,
  STATE_BYTES_MAX,
  type JournalEntry,
  type JournaledFile,
} from "../../src/core/download-journal.ts";
import { fnv1a } from "../../src/core/fnv.ts";
import { SegmentLayout } from "../../src/core/segment-layout.ts";

const FILE: JournaledFile = {
  fileId: "ab".repeat(32),
  segmentsSha256: "cd".repeat(32),
  layout: new SegmentLayout(4_500, 1_000),
};
const ENTRY: JournalEntry = {
  counter: 7,
  marks: Uint8Array.of(Mark.durable, Mark.durable, Mark.recent, Mark.missing, Mark.recent),
  front: { segments: 3, state: Uint8Array.of(9, 8, 7) },
};

/** An entry with some bytes changed and its checksum right again. */
function forged(change: (bytes: Uint8Array, view: DataView) => void): Uint8Array {
  const bytes = encodeEntry(FILE, ENTRY);
  const view = new DataView(bytes.buffer);
  change(bytes, view);
  view.setUint32(bytes.length - 4, fnv1a(bytes.subarray(0, -4)));
  return bytes;
}

test("an entry comes back as it was written", () => {
  assert.deepEqual(decodeEntry(FILE, encodeEntry(FILE, ENTRY)), ENTRY);
});

test("an entry without a front comes back without one", () => {
  const entry = { ...ENTRY, front: undefined };
  assert.deepEqual(decodeEntry(FILE, encodeEntry(FILE, entry)), entry);
});

test("an entry is found in a slot that is longer than it", () => {
  const slot = new Uint8Array(slotBytes(FILE.layout)).fill(0xee);
  slot.set(encodeEntry(FILE, ENTRY));
  assert.deepEqual(decodeEntry(FILE, slot), ENTRY);
});

test("slots are whole blocks, also where marks are many", () => {
  assert.equal(slotBytes(FILE.layout), 4_096);
  assert.equal(slotBytes(new SegmentLayout(4_000_000, 1_000)), 8_192);
});

test("a write torn anywhere is not believed", () => {
  const whole = encodeEntry(FILE, ENTRY);
  const before = encodeEntry(FILE, { ...ENTRY, counter: 5, marks: new Uint8Array(5), front: undefined });
  for (let written = 1; written < whole.length; written += 1) {
    const torn = before.slice();
    torn.set(whole.subarray(0, written));
    const entry = decodeEntry(FILE, torn);
    // Where only bytes are missing that are equal in both, nothing was torn.
    assert.ok(entry === undefined || Buffer.from(torn).equals(before) || Buffer.from(torn).equals(whole), `${written}`);
  }
});

test("every single wrong bit is found", () => {
  const bytes = encodeEntry(FILE, ENTRY);
  for (let bit = 0; bit < 8 * bytes.length; bit += 1) {
    const wrong = bytes.slice();
    wrong[bit >> 3] = (wrong[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(decodeEntry(FILE, wrong), undefined, `bit ${bit}`);
  }
});

for (const [what, other] of Object.entries<JournaledFile>({
  content: { ...FILE, fileId: "ac".repeat(32) },
  "segment list": { ...FILE, segmentsSha256: "ce".repeat(32) },
  size: { ...FILE, layout: new SegmentLayout(4_501, 1_000) },
  "segment size": { ...FILE, layout: new SegmentLayout(4_500, 1_001) },
  "number of segments": { ...FILE, layout: new SegmentLayout(4_500, 100) },
})) {
  test(`a journal of another ${what} is not believed`, () => {
    assert.equal(decodeEntry(other, encodeEntry(FILE, ENTRY)), undefined);
  });
}

for (const [what, slot] of Object.entries({
  "an empty slot": new Uint8Array(4_096),
  "a slot that ends too early": encodeEntry(FILE, ENTRY).subarray(0, 100),
  "another version": forged((bytes) => (bytes[3] = 2)),
  "a mark that is none": forged((bytes) => (bytes[352] = 3)),
  "a front over a missing segment": forged((_, view) => view.setUint32(88, 4)),
  "a front beyond the file": forged((_, view) => view.setUint32(88, 6)),
  "a state that is too long": forged((_, view) => view.setUint32(92, STATE_BYTES_MAX + 1)),
})) {
  test(`not believed: ${what}`, () => {
    assert.equal(decodeEntry(FILE, slot), undefined);
  });
}

test("a state that has no room is refused", () => {
  const front = { segments: 1, state: new Uint8Array(STATE_BYTES_MAX + 1) };
  assert.throws(() => encodeEntry(FILE, { ...ENTRY, front }), RangeError);
});

test("the higher counter counts, wherever it stands", () => {
  const old = encodeEntry(FILE, { ...ENTRY, counter: 6 });
  const newer = encodeEntry(FILE, ENTRY);
  assert.equal(latestEntry(FILE, [old, newer])?.counter, 7);
  assert.equal(latestEntry(FILE, [newer, old])?.counter, 7);
});

test("a torn slot leaves the other one, and two leave nothing", () => {
  const old = encodeEntry(FILE, { ...ENTRY, counter: 6 });
  const torn = encodeEntry(FILE, ENTRY).fill(0, 50, 60);
  assert.equal(latestEntry(FILE, [old, torn])?.counter, 6);
  assert.equal(latestEntry(FILE, [torn, new Uint8Array(10)]), undefined);
});

test("a list can read how much is stored without knowing the file", () => {
  const journal = new Uint8Array(2 * slotBytes(FILE.layout));
  assert.equal(journalSummary(journal), 0);
  journal.set(encodeEntry(FILE, { ...ENTRY, counter: 6, marks: new Uint8Array(5), front: undefined }));
  assert.equal(journalSummary(journal), 0);
  journal.set(encodeEntry(FILE, ENTRY), slotBytes(FILE.layout));
  assert.equal(journalSummary(journal), 3_500); // the last segment is a short one
  journal[slotBytes(FILE.layout) + 360] = 0; // torn: the other slot counts
  assert.equal(journalSummary(journal), 0);
  assert.equal(journalSummary(new Uint8Array(7)), 0);
});

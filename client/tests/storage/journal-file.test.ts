import assert from "node:assert/strict";
import { test } from "node:test";
import { Mark, slotBytes, type JournaledFile } from "../../src/core/download-journal.ts";
import { SegmentLayout } from "../../src/core/segment-layout.ts";
import { JournalFile } from "../../src/storage/journal-file.ts";
import { FakeFolder } from "./fake-folder.ts";

const FILE: JournaledFile = {
  fileId: "ab".repeat(32),
  segmentsSha256: "cd".repeat(32),
  layout: new SegmentLayout(3_000, 1_000),
};
const SLOT = slotBytes(FILE.layout);

async function openJournal(disk: FakeFolder, file = FILE): Promise<JournalFile> {
  const entry = await disk.getFileHandle("journal", { create: true });
  return new JournalFile(await entry.createSyncAccessHandle(), file);
}

/** The marks that a restart finds on this disk. */
async function marksAfterCrash(disk: FakeFolder): Promise<number[] | undefined> {
  const entry = (await openJournal(disk.copy())).read();
  return entry === undefined ? undefined : [...entry.marks];
}

function marks(...of: number[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(of);
}

test("a new journal says nothing", async () => {
  assert.equal((await openJournal(new FakeFolder())).read(), undefined);
});

test("a restart finds what was written last, with the digest's state", async () => {
  const disk = new FakeFolder();
  const journal = await openJournal(disk);
  journal.reset();
  for (let turn = 0; turn < 5; turn += 1) {
    const front = { segments: 1, state: marks(turn) };
    journal.write(marks(Mark.durable, turn % 3, Mark.recent), front);
    const found = (await openJournal(disk.copy())).read();
    assert.deepEqual(found, { counter: turn + 1, marks: marks(1, turn % 3, 2), front });
  }
});

test("a restart goes on counting: its first write is newer than all before", async () => {
  const disk = new FakeFolder();
  const journal = await openJournal(disk);
  journal.reset();
  journal.write(marks(2, 0, 0), undefined);
  journal.write(marks(1, 2, 0), undefined);
  journal.close();
  const second = await openJournal(disk);
  second.read();
  second.write(marks(1, 1, 2), undefined);
  assert.deepEqual(await marksAfterCrash(disk), [1, 1, 2]);
});

test("a crash in any place of a write leaves the checkpoint before or the new one", async () => {
  const disk = new FakeFolder();
  const journal = await openJournal(disk);
  journal.reset();
  journal.write(marks(2, 0, 0), undefined);
  journal.write(marks(1, 2, 0), undefined);
  const before = disk.copy();
  journal.write(marks(1, 1, 2), undefined);
  const after = disk.files.get("journal")?.bytes ?? marks();
  for (let written = 0; written < 400; written += 1) {
    const torn = before.copy();
    torn.files.get("journal")?.bytes.set(after.subarray(SLOT, SLOT + written), SLOT); // the third write's slot
    assert.deepEqual(await marksAfterCrash(torn), written < 359 ? [1, 2, 0] : [1, 1, 2], `${written}`);
  }
});

test("a write that has no room tears its own slot only", async () => {
  const disk = new FakeFolder();
  const journal = await openJournal(disk);
  journal.write(marks(2, 0, 0), undefined);
  disk.quotaBytes = disk.sizeBytes;
  journal.write(marks(1, 2, 0), undefined);
  journal.write(marks(1, 1, 2), undefined);
  assert.deepEqual(await marksAfterCrash(disk), [1, 1, 2]);
});

test("a reset forgets, and takes the room for both slots", async () => {
  const disk = new FakeFolder();
  const journal = await openJournal(disk);
  journal.write(marks(2, 0, 0), undefined);
  journal.reset();
  assert.equal(await marksAfterCrash(disk), undefined);
  assert.equal(disk.sizeBytes, 2 * SLOT);
});

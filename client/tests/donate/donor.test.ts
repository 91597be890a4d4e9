/** A whole donor, from the first word to the last. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeFolder } from "../storage/fake-folder.ts";
import { Scene, SETTINGS } from "./donor-scene.ts";
import { makeFile, SEGMENT_BYTES } from "./fake-mirror.ts";

test("the first words are the limits, less than the disk may have, and then that nothing is held", async () => {
  const scene = new Scene([]);
  await scene.welcome();
  assert.deepEqual(scene.session.said.map((message) => message.type).slice(0, 3), ["hello", "donate", "holdings"]);
  const [donate] = scene.session.of("donate");
  assert.deepEqual(donate?.causes, ["main"]);
  assert.equal(donate.takers_max, 8);
  assert.ok(donate.storage_bytes < SETTINGS.storageBytes && donate.storage_bytes > 0.999 * SETTINGS.storageBytes);
  assert.deepEqual(scene.session.of("holdings"), [{ type: "holdings", files: [], complete: true }]);
});

test("what is assigned is fetched segment by segment, stored, and told", async () => {
  const file = makeFile("a.iso", 10 * SEGMENT_BYTES + 5);
  const scene = new Scene([file]);
  await scene.welcome();
  await scene.assign({ file, runs: [0, 2, 4, 7] });
  assert.deepEqual(
    scene.mirrors.asked,
    [0, 1, 4, 5, 6, 7, 8, 9, 10].map(
      (index) => `good ${index * SEGMENT_BYTES}-${Math.min((index + 1) * SEGMENT_BYTES, 10 * SEGMENT_BYTES + 5) - 1}`,
    ),
  );
  assert.deepEqual(scene.session.of("holdings").at(-1), {
    type: "holdings",
    files: [{ file_id: file.fileId, runs: [0, 2, 4, 7] }],
    complete: false,
  });
  assert.deepEqual(scene.session.of("filled").at(-1), {
    type: "filled",
    file_id: file.fileId,
    mirror_bytes: 8 * SEGMENT_BYTES + 5,
    donor_bytes: 0,
  });
  assert.equal(scene.status.assignedHeld, 9);
  assert.deepEqual(scene.status.files, [
    {
      fileId: file.fileId,
      name: "a.iso",
      segments: 9,
      count: 11,
      bytes: 8 * SEGMENT_BYTES + 5,
      runs: [
        [0, 2],
        [4, 11],
      ],
      assigned: [
        [0, 2],
        [4, 11],
      ],
    },
  ]);
  assert.equal(scene.status.usedBytes, scene.diskBytes);
});

test("a donor that comes back tells what it holds, and nothing is fetched again", async () => {
  const file = makeFile("a.iso", 8 * SEGMENT_BYTES);
  const first = new Scene([file]);
  await first.welcome();
  await first.assign({ file, runs: [0, 8] });
  await (await first.donor()).stop(false);
  assert.equal(first.session.of("stop_donating").length, 1);

  const second = new Scene([file], SETTINGS, first.root);
  await second.welcome();
  assert.deepEqual(second.session.of("holdings"), [
    { type: "holdings", files: [{ file_id: file.fileId, runs: [0, 8] }], complete: true },
  ]);
  await second.assign({ file, runs: [0, 8] });
  assert.deepEqual(second.mirrors.asked, []);
});

test("a coordinator that forgot everything is told everything", async () => {
  const file = makeFile("a.iso", 4 * SEGMENT_BYTES);
  const scene = new Scene([file]);
  await scene.welcome();
  await scene.assign({ file, runs: [0, 4] });
  const sent = scene.mirrors.sentBytes;
  scene.session.dispatch("close");
  await scene.clock.pass(2_000_000);
  await scene.welcome();
  assert.equal(scene.sessions.length, 2);
  assert.deepEqual(scene.session.of("holdings")[0]?.files, [{ file_id: file.fileId, runs: [0, 4] }]);
  await scene.assign({ file, runs: [0, 4] });
  assert.equal(scene.mirrors.sentBytes, sent);
});

test("a smaller limit frees at once, the end of the assignment first, and is told after what is left", async () => {
  const [one, two] = [makeFile("a.iso", 8 * SEGMENT_BYTES), makeFile("b.iso", 8 * SEGMENT_BYTES)];
  const scene = new Scene([one, two]);
  await scene.welcome();
  await scene.assign({ file: two, runs: [0, 8] }, { file: one, runs: [0, 8] });
  const before = scene.session.said.length;
  const storageBytes = 10 * SEGMENT_BYTES;
  await (await scene.donor()).change({ ...SETTINGS, storageBytes });
  assert.ok(scene.diskBytes <= storageBytes);
  const said = scene.session.said.slice(before);
  assert.deepEqual(
    said.map((message) => message.type),
    ["holdings", "donate"],
  );
  const told = new Map(
    scene.session
      .of("holdings")
      .at(-1)
      ?.files.map((file) => [file.file_id, file.runs]),
  );
  assert.deepEqual(told.get(two.fileId), [0, 8]);
  assert.deepEqual(told.get(one.fileId), [0, 1]);
});

test("the disk never has more than the limit, whatever is assigned", async () => {
  const file = makeFile("a.iso", 100 * SEGMENT_BYTES);
  const storageBytes = 16_000_000;
  const scene = new Scene([file]);
  let most = 0;
  scene.root.changed = () => {
    most = Math.max(most, scene.root.sizeBytes);
  };
  await scene.welcome();
  await scene.assign({ file, runs: [0, 100] });
  assert.ok(most <= storageBytes, `${most}`);
  assert.ok(most > storageBytes - 2 * SEGMENT_BYTES);
  await scene.assign({ file, runs: [70, 30] });
  assert.ok(most <= storageBytes, `${most}`);
  assert.equal(scene.status.assignedHeld, 30);
});

test("what is withdrawn is erased at once, and not fetched again", async () => {
  const [one, two] = [makeFile("a.iso", 4 * SEGMENT_BYTES), makeFile("b.iso", 4 * SEGMENT_BYTES)];
  const scene = new Scene([one, two]);
  await scene.welcome();
  await scene.assign({ file: one, runs: [0, 4] }, { file: two, runs: [0, 4] });
  const asked = scene.mirrors.asked.length;
  scene.session.tell({ type: "withdrawn", file_id: one.fileId });
  await scene.clock.pass(3_000_000);
  assert.deepEqual(
    scene.status.files.map((file) => file.name),
    ["b.iso"],
  );
  assert.deepEqual(scene.session.of("holdings").at(-1)?.files, [{ file_id: one.fileId, runs: [] }]);
  assert.equal(scene.mirrors.asked.length, asked);
});

test("what was withdrawn meanwhile is erased when its donor comes back, before anybody is served", async () => {
  const file = makeFile("a.iso", 4 * SEGMENT_BYTES);
  const first = new Scene([file]);
  await first.welcome();
  await first.assign({ file, runs: [0, 4] });
  await (await first.donor()).stop(false);
  assert.ok(first.diskBytes > 4 * SEGMENT_BYTES);

  const second = new Scene([file], SETTINGS, first.root);
  await second.welcome();
  second.session.tell({ type: "withdrawn", file_id: file.fileId }); // the answer to its holdings
  await second.clock.pass(1_000_000);
  assert.ok(second.diskBytes < SEGMENT_BYTES);
  assert.deepEqual(second.session.of("holdings").at(-1)?.files, [{ file_id: file.fileId, runs: [] }]);
});

test("an assignment in parts counts when it is whole", async () => {
  const [one, two] = [makeFile("a.iso", 2 * SEGMENT_BYTES), makeFile("b.iso", 2 * SEGMENT_BYTES)];
  const scene = new Scene([one, two]);
  await scene.welcome();
  const part = { type: "assign", assignment: 7, lease_ms: 1_000 } as const;
  scene.session.tell({ ...part, files: [{ file_id: one.fileId, runs: [0, 2] }], more: true });
  await scene.clock.pass(2_000_000);
  assert.deepEqual(scene.mirrors.asked, []);
  scene.session.tell({ ...part, files: [{ file_id: two.fileId, runs: [0, 2] }] });
  await scene.clock.pass(2_000_000);
  assert.equal(scene.status.assignedHeld, 4);
});

test("a mirror that lies is asked once; the other fills", async () => {
  const file = makeFile("a.iso", 4 * SEGMENT_BYTES, ["http://liar/", "http://good/"]);
  const scene = new Scene([file]); // chance 0: always the first of those that are left
  await scene.welcome();
  await scene.assign({ file, runs: [0, 4] });
  assert.deepEqual(
    scene.mirrors.asked.map((line) => line.split(" ")[0]),
    ["liar", "good", "good", "good", "good"],
  );
  assert.equal(scene.status.assignedHeld, 4);
  assert.equal(scene.status.problem, null);
});

test("a mirror that breaks off keeps what was whole, rests, and the other goes on", async () => {
  const file = makeFile("a.iso", 4 * SEGMENT_BYTES, ["http://short/", "http://good/"]);
  const scene = new Scene([file]);
  await scene.welcome();
  await scene.assign({ file, runs: [0, 4] });
  assert.deepEqual(scene.mirrors.asked, [
    `short 0-${SEGMENT_BYTES - 1}`,
    `short ${SEGMENT_BYTES}-${2 * SEGMENT_BYTES - 1}`,
    `good ${SEGMENT_BYTES}-${2 * SEGMENT_BYTES - 1}`,
    `good ${2 * SEGMENT_BYTES}-${3 * SEGMENT_BYTES - 1}`,
    `good ${3 * SEGMENT_BYTES}-${4 * SEGMENT_BYTES - 1}`,
  ]);
  assert.equal(scene.status.assignedHeld, 4);
});

test("a mirror that was found to be slow is left to others", async () => {
  const file = makeFile("a.iso", 20 * SEGMENT_BYTES, ["http://slow/", "http://good/"]);
  const other = makeFile("b.iso", 4 * SEGMENT_BYTES, ["http://good/"]);
  const scene = new Scene([file, other]);
  await scene.welcome();
  await scene.assign({ file, runs: [0, 1] }, { file: other, runs: [0, 4] });
  await scene.clock.pass(60_000_000); // it takes 5 s for a segment: beyond the burst there is a pause
  await scene.assign({ file, runs: [0, 20] });
  assert.deepEqual(
    scene.mirrors.asked.filter((line) => line.startsWith("slow")),
    [`slow 0-${SEGMENT_BYTES - 1}`],
  );
  assert.equal(scene.status.assignedHeld, 20);
});

test("a mirror that falls silent is left after a minute; the other fills", async () => {
  const file = makeFile("a", 4 * SEGMENT_BYTES, ["http://silent/", "http://good/"]);
  const scene = new Scene([file]);
  await scene.welcome();
  await scene.assign({ file, runs: [0, 4] });
  assert.deepEqual([scene.status.assignedHeld, scene.mirrors.asked.length], [0, 1]);
  await scene.clock.pass(60_000_000);
  assert.equal(scene.status.assignedHeld, 4);
  assert.ok(scene.mirrors.asked.slice(1).every((asked) => asked.startsWith("good")));
});

test("a file without a living mirror waits, longer each time; other files do not", async () => {
  const dead = makeFile("a.iso", 2 * SEGMENT_BYTES, ["http://dead/"]);
  const good = makeFile("b.iso", 2 * SEGMENT_BYTES);
  const scene = new Scene([dead, good]);
  await scene.welcome();
  await scene.assign({ file: dead, runs: [0, 2] }, { file: good, runs: [0, 2] });
  assert.equal(scene.status.assignedHeld, 2);
  await scene.clock.pass(600_000_000);
  const tries = scene.mirrors.asked.filter((line) => line.startsWith("dead")).length;
  assert.ok(tries >= 3 && tries <= 10, `${tries} tries in ten minutes`);
});

test("filling is paced", async () => {
  const file = makeFile("a.iso", 56 * SEGMENT_BYTES);
  const scene = new Scene([file]);
  await scene.welcome();
  scene.session.tell({
    type: "assign",
    assignment: 1,
    lease_ms: 600_000,
    files: [{ file_id: file.fileId, runs: [0, 56] }],
  });
  await scene.clock.pass(1_000_000);
  assert.ok(scene.status.assignedHeld < 40, `${scene.status.assignedHeld} segments after a second`);
  await scene.clock.pass(4_000_000);
  assert.equal(scene.status.assignedHeld, 56);
});

test("with a code the sum of all its donors is asked for in each session, and shown", async () => {
  const scene = new Scene([], SETTINGS, new FakeFolder(), "cd".repeat(16));
  await scene.welcome();
  assert.deepEqual(scene.session.of("tally"), [{ type: "tally", secret: "cd".repeat(16) }]);
  assert.equal(scene.status.tally, null);
  const countries = [{ country: "DE", bytes: 3_000 }];
  scene.session.tell({ type: "tallied", bytes_total: 3_000, bytes_today: 1_000, countries });
  await scene.clock.pass(1_000_000);
  assert.deepEqual(scene.status.tally, { bytes: 3_000, todayBytes: 1_000, countries });
});

test("erased means that nothing is left, and nothing more is said", async () => {
  const file = makeFile("a.iso", 4 * SEGMENT_BYTES);
  const scene = new Scene([file]);
  await scene.welcome();
  await scene.assign({ file, runs: [0, 4] });
  await (await scene.donor()).stop(true);
  assert.equal(scene.root.sizeBytes, 0);
  const said = scene.session.said.length;
  await scene.clock.pass(10_000_000);
  assert.equal(scene.session.said.length, said);
});

test("where the browser gives less room, the coordinator hears of what is held, and of all again later", async () => {
  const file = makeFile("a.iso", 8 * SEGMENT_BYTES);
  const scene = new Scene([file]);
  scene.root.quotaBytes = 3 * SEGMENT_BYTES;
  await scene.welcome();
  await scene.assign({ file, runs: [0, 8] });
  assert.equal(scene.status.problem, "quota_exceeded");
  const held = scene.status.usedBytes;
  assert.ok(held > SEGMENT_BYTES && held <= 3 * SEGMENT_BYTES);
  const said = scene.session.of("donate").map((message) => message.storage_bytes);
  assert.ok((said.at(-1) ?? Infinity) <= held, String(said));

  scene.root.quotaBytes = Infinity;
  await scene.clock.pass(700_000_000);
  await scene.welcome(); // nobody answered its pings meanwhile
  assert.equal(scene.session.of("donate").at(-1)?.storage_bytes, said[0]);
});

test("a window that stalls and a device that is hard pressed get less to do, and say so", async () => {
  const file = makeFile("a.iso", 2 * SEGMENT_BYTES);
  const scene = new Scene([file]);
  await scene.welcome();
  const donor = await scene.donor();
  donor.windowAnswered();
  await scene.clock.pass(5_000_000);
  donor.windowAnswered(); // five seconds late
  await scene.clock.pass(1_000_000);
  assert.equal(scene.status.slowed, true);
  await scene.assign({ file, runs: [0, 2] });
  assert.equal(scene.status.assignedHeld, 2, "it fills all the same, which has a pace of its own");
  await scene.clock.pass(11_000_000);
  assert.equal(scene.status.slowed, false);
  donor.heedPressure("critical");
  await scene.clock.pass(1_000_000);
  assert.equal(scene.status.slowed, true);
});

test("what downloaders confirmed is shown, and where they are", async () => {
  const scene = new Scene([]);
  await scene.welcome();
  const countries = [{ country: "DE", bytes: 5, people: 1 }];
  scene.session.tell({ type: "credited", bytes_total: 5, downloaders: 1, countries });
  await scene.clock.pass(1_000_000);
  assert.deepEqual(scene.status.countries, countries);
  assert.deepEqual([scene.status.verifiedBytes, scene.status.verifiedPeople], [5, 1]);
});

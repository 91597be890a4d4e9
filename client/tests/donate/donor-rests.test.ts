/** A donor that may not give, or not be filled, at present. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_LIMITS } from "../../src/core/allowance.ts";
import { FakeFolder } from "../storage/fake-folder.ts";
import { Scene, SETTINGS } from "./donor-scene.ts";
import { makeFile, SEGMENT_BYTES } from "./fake-mirror.ts";

test("outside the chosen hours nobody is to be introduced, and what is held stays", async () => {
  const file = makeFile("a.iso", 4 * SEGMENT_BYTES);
  const allowance = { ...NO_LIMITS, hours: [600, 720] as const };
  const scene = new Scene([file], { ...SETTINGS, allowance });
  await scene.welcome();
  assert.equal(scene.session.of("donate").at(-1)?.takers_max, 0);
  assert.equal(scene.status.pause, "hours");
  await scene.assign({ file, runs: [0, 4] });
  assert.deepEqual([scene.status.assignedHeld, scene.mirrors.asked], [0, []], "nothing is fetched either");

  scene.time = { ...scene.time, minute: 600 };
  await scene.clock.pass(2_000_000);
  assert.deepEqual([scene.session.of("donate").at(-1)?.takers_max, scene.status.pause], [8, null]);
  assert.equal(scene.status.assignedHeld, 4);
  const donor = await scene.donor();
  await donor.change({ ...SETTINGS, allowance: { ...NO_LIMITS, whileCharging: true } });
  donor.heedDevice({ charging: false, metered: null });
  assert.equal(scene.status.pause, "battery");
  assert.equal(scene.session.of("donate").at(-1)?.takers_max, 0);
  donor.heedDevice({ charging: true, metered: null });
  assert.equal(scene.status.pause, null);
});

test("a fill that is under way is broken off over mobile data, and goes on after it; a used budget stops none", async () => {
  const file = makeFile("a.iso", 4 * SEGMENT_BYTES, ["http://slow/"]); // five seconds for a segment
  const allowance = { ...NO_LIMITS, dailyBytes: 0, unmetered: true };
  const scene = new Scene([file], { ...SETTINGS, allowance });
  await scene.welcome();
  assert.equal(scene.status.pause, "day_used");
  await scene.assign({ file, runs: [0, 4] });
  const donor = await scene.donor();
  const asked = scene.mirrors.asked.length;
  assert.ok(asked >= 1 && asked < 4, "in the middle of it");
  donor.heedDevice({ charging: null, metered: true });
  assert.equal(scene.mirrors.aborted, 1);
  await scene.clock.pass(60_000_000);
  assert.deepEqual([scene.status.assignedHeld, scene.mirrors.asked.length], [asked - 1, asked]);
  donor.heedDevice({ charging: null, metered: false });
  await scene.clock.pass(120_000_000);
  assert.deepEqual([scene.status.assignedHeld, scene.status.problem], [4, null]);
});

test("what the site's pages gave before counts in the donor's budgets", async () => {
  const charged = { day: 20_000, dayBytes: 700, month: 24_000, monthBytes: 900 };
  const allowance = { ...NO_LIMITS, dailyBytes: 700 };
  const scene = new Scene([], { ...SETTINGS, allowance }, new FakeFolder(), "", charged);
  await scene.welcome();
  const { pause, sentTodayBytes, sentThisMonthBytes } = scene.status;
  assert.deepEqual([pause, sentTodayBytes, sentThisMonthBytes], ["day_used", 700, 900]);
});

test("while it rests no names of held files are fetched either", async () => {
  const file = makeFile("a.iso", 2 * SEGMENT_BYTES);
  const first = new Scene([file]);
  await first.welcome();
  await first.assign({ file, runs: [0, 2] });
  assert.deepEqual(
    first.status.files.map(({ name }) => name),
    ["a.iso"],
  );
  await (await first.donor()).stop(false);
  const allowance = { ...NO_LIMITS, hours: [600, 720] as const };
  const second = new Scene([file], { ...SETTINGS, allowance }, first.root);
  await second.welcome();
  await second.clock.pass(5_000_000);
  const names = () => second.status.files.map(({ name }) => name);
  assert.deepEqual([second.status.pause, names()], ["hours", [""]]);
  second.time = { ...second.time, minute: 600 };
  await second.clock.pass(5_000_000);
  assert.deepEqual([second.status.pause, names()], [null, ["a.iso"]]);
});

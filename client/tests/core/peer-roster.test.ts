import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ACTIVE,
  MEASURE_US,
  mirrorsSuffice,
  planRoster,
  PREPARED,
  type RosterPeer,
} from "../../src/core/peer-roster.ts";

const peer = (id: number, state: RosterPeer["state"], useful = true, busy = false): RosterPeer => ({
  id,
  state,
  useful,
  busy,
});

test("R1: a donor that holds nothing missing leaves, unless something is asked of it", () => {
  const peers = [peer(1, "active", false), peer(2, "active", false, true), peer(3, "ready", false), peer(4, "active")];
  assert.deepEqual(planRoster(peers, true).leave, [1, 3]);
});

test("R1: of a donor that is not connected yet nothing is known", () => {
  assert.deepEqual(planRoster([peer(1, "pending", false)], true).leave, []);
});

test("R2: connected donors are promoted in the order of their coming, up to the limit", () => {
  const peers = [1, 2, 3].map((id) => peer(id, "active")).concat([peer(4, "ready"), peer(5, "ready")]);
  assert.deepEqual(planRoster(peers, true).promote, [4]);
});

test("R2: who leaves makes room at once", () => {
  const peers = [peer(1, "active", false), peer(2, "active"), peer(3, "active"), peer(4, "active"), peer(5, "ready")];
  assert.deepEqual(planRoster(peers, true), { leave: [1], promote: [5], wanted: ACTIVE + PREPARED - 4 });
});

test("R3: some more are kept ready, and pending ones count", () => {
  assert.equal(planRoster([], true).wanted, ACTIVE + PREPARED);
  assert.equal(planRoster([peer(1, "pending"), peer(2, "active")], true).wanted, ACTIVE + PREPARED - 2);
});

test("R4: with nothing missing nobody is wanted", () => {
  assert.equal(planRoster([peer(1, "active", false)], false).wanted, 0);
});

const MIB = 2 ** 20;
const mirror = (rateBytesPerS: number | null, state: "ready" | "probation" = "ready") =>
  ({ kind: "mirror", state, rateBytesPerS }) as const;

test("R5: mirrors suffice when all of them together need no more than a second", () => {
  const donor = { ...mirror(50 * MIB), kind: "peer" } as const;
  assert.ok(mirrorsSuffice("balanced", [mirror(30 * MIB), mirror(10 * MIB)], 40 * MIB, MEASURE_US));
  assert.ok(!mirrorsSuffice("balanced", [mirror(30 * MIB), mirror(10 * MIB)], 40 * MIB + 1, MEASURE_US));
  assert.ok(!mirrorsSuffice("balanced", [mirror(90 * MIB), donor], MIB, 0), "a donor that takes part is not let go");
  assert.ok(!mirrorsSuffice("balanced", [mirror(50 * MIB, "probation")], MIB, 0), "nor does who fails");
});

test("R5: a mirror gets a moment to show its rate, and no more", () => {
  assert.ok(mirrorsSuffice("fast", [mirror(MIB), mirror(null)], 64 * MIB, MEASURE_US - 1));
  assert.ok(!mirrorsSuffice("fast", [mirror(MIB), mirror(null)], 64 * MIB, MEASURE_US));
  assert.ok(!mirrorsSuffice("fast", [], 64 * MIB, 0), "without mirrors donors are asked at once");
});

test("R5: who would rather spare the mirrors asks donors at once", () => {
  assert.ok(!mirrorsSuffice("spare-mirrors", [mirror(90 * MIB)], MIB, 0));
});

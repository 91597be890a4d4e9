/** Donors that fill each other, back to back: real code at both ends, pipes for connections. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runsOf } from "../../src/core/runs.ts";
import { FillPeers } from "../../src/donate/fill-peers.ts";
import { SegmentSink } from "../../src/donate/segment-sink.ts";
import { RtcClient } from "../../src/transport/rtc-client.ts";
import { IntegrityError } from "../../src/wire/errors.ts";
import { WELCOME } from "../transport/fake-coordinator.ts";
import { ask, FILE, hmac, layout, Scene, segmentList, segments } from "../transport/peer-scene.ts";

/** A donor that fills itself: what it kept, and the fetching of some segments. */
function filler(scene: Scene) {
  const kept = new Map<number, Uint8Array>();
  const file = { fileId: FILE, name: "f", layout, segmentList, mirrors: [] };
  const say = scene.coordinator.join("filler", (message) => {
    peers.onMessage(message);
  });
  const peers = new FillPeers(new RtcClient(scene.network.window()), { clock: scene.clock, hmac }, say);
  peers.onWelcome(WELCOME);
  const keep = (index: number, bytes: Uint8Array<ArrayBuffer>) => {
    if (!Buffer.from(bytes).equals(segments[index] ?? Buffer.of()))
      return Promise.reject(new IntegrityError("segment_mismatch", "?"));
    kept.set(index, bytes);
    return Promise.resolve(true);
  };
  const missing = () => runsOf([...segments.keys()].filter((index) => !kept.has(index)));
  const fetch = (start: number, end: number) =>
    peers.fetch(file, start, end, missing, (from, to) => new SegmentSink(file, from, to, keep));
  return { kept, peers, fetch };
}

test("a donor fills itself from another, run after run over one connection", async () => {
  const scene = new Scene();
  scene.donor("giver", [[1, 5]]);
  const { kept, fetch } = filler(scene);
  const first = fetch(1, 3);
  await scene.clock.pass(1_000_000);
  assert.deepEqual(
    scene.coordinator.said("filler", "want").map(({ fill, peers_max: most }) => [fill, most]),
    [[true, 1]],
  );
  scene.coordinator.introduce("filler", "giver", FILE, [1, 4]);
  await scene.clock.pass(1_000_000);
  assert.equal(await first, 2);
  const second = fetch(3, 7);
  await scene.clock.pass(6_000_000);
  assert.equal(await second, 2, "two of the four are held by nobody");
  assert.deepEqual([...kept.keys()], [1, 2, 3, 4]);
  assert.equal(scene.coordinator.said("giver", "match_report").at(-1)?.outcome, "closed");
});

test("who fills with wrong bytes is told on, and nothing of it is kept", async () => {
  const scene = new Scene();
  const giver = scene.donor("giver", [[0, 7]]);
  const asked = new Set<string>();
  giver.store.read = (digest, _offset, target) => {
    asked.add(digest);
    return Promise.resolve(void target.fill(7));
  };
  const { kept, fetch } = filler(scene);
  const fetched = fetch(0, 7);
  await scene.clock.pass(1_000_000);
  scene.coordinator.introduce("filler", "giver", FILE, [0, 7]);
  await scene.clock.pass(1_000_000);
  assert.equal(await fetched, 0);
  assert.equal(kept.size, 0);
  assert.ok(asked.size < 7, `the rest of the run is not taken: ${asked.size} of 7 segments were sent`);
  assert.ok(scene.coordinator.said("filler", "match_report").some(({ outcome }) => outcome === "lied"));
});

test("nobody to give: the fill goes elsewhere at once, or after five seconds without a word", async () => {
  const scene = new Scene();
  const { fetch } = filler(scene);
  const unmatched = fetch(0, 3);
  await scene.clock.pass(1_000_000);
  scene.coordinator.tell("filler", { type: "unmatched", file_id: FILE, code: "no_donor", retry_after_ms: 15_000 });
  assert.equal(await unmatched, 0);
  const silent = fetch(0, 3);
  await scene.clock.pass(5_000_000);
  assert.equal(await silent, 0);
});

test("who trickles is left: a byte now and then does not hold a fill", async () => {
  const scene = new Scene();
  const giver = scene.donor("giver", [[0, 7]], 4_000);
  const { fetch } = filler(scene);
  const fetched = fetch(0, 7);
  await scene.clock.pass(1_000_000);
  scene.coordinator.introduce("filler", "giver", FILE, [0, 7]);
  await scene.clock.pass(14_000_000);
  assert.ok(giver.served.bytes > 30_000, "it is never silent for long");
  assert.equal(scene.coordinator.said("giver", "match_report").at(-1)?.outcome, "open");
  await scene.clock.pass(7_000_000);
  assert.equal(scene.coordinator.said("giver", "match_report").at(-1)?.outcome, "closed");
  await fetched;
});

test("a fill waits until a download is over", async () => {
  const scene = new Scene();
  const giver = scene.donor("giver", [[0, 7]]);
  const { kept, fetch } = filler(scene);
  const fetched = fetch(0, 3);
  await scene.clock.pass(200_000);
  scene.coordinator.introduce("filler", "giver", FILE, [0, 7]);
  await scene.meet("giver");
  assert.equal(await fetched, 3);
  const sink = ask(scene.source("donor 1"), 1, 0, 500_000);
  await scene.clock.pass(100_000);
  const waiting = fetch(3, 6);
  await scene.clock.pass(700_000);
  assert.deepEqual([sink.ended, kept.size], ["finished", 3], "the downloader was served a moment ago");
  await scene.clock.pass(1_000_000);
  assert.equal(await waiting, 3);
  assert.equal(giver.served.people, 2);
});

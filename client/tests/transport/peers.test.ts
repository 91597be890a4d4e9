/** A download's pool of donors and donors' serving, back to back: real code at both ends, pipes for connections. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { ACTIVE, PREPARED } from "../../src/core/peer-roster.ts";
import { TAKERS_MAX } from "../../src/donate/messages.ts";
import { takersFor } from "../../src/donate/serving.ts";
import { QUEUE_HIGH_BYTES } from "../../src/transport/peer-link.ts";
import { IntegrityError, StoreError } from "../../src/wire/errors.ts";
import { FRAME_BYTES_GROWN } from "../../src/wire/messages.ts";
import { settled } from "./fake-clock.ts";
import { WELCOME } from "./fake-coordinator.ts";
import { ask, content, FILE, layout, Scene, SEGMENT_BYTES, type Sink } from "./peer-scene.ts";

test("a range over many segments comes from a donor, and the receipt is right", async () => {
  const scene = new Scene();
  const donor = scene.donor("donor", [[0, layout.count]]);
  const matchId = await scene.meet("donor");
  assert.deepEqual(scene.holdings.get("donor 1"), [[0, layout.count]]);
  assert.deepEqual(
    scene.coordinator.said("downloader", "match_report").map(({ outcome }) => outcome),
    ["open"],
  );
  assert.equal(donor.serving.takers, 1);

  const sink = ask(scene.source("donor 1"), 1, 5_000, content.length);
  await scene.clock.pass(1_000_000);
  assert.equal(sink.ended, "finished");
  assert.ok(sink.bytes.equals(content.subarray(5_000)));
  assert.deepEqual(donor.served, { bytes: content.length - 5_000, people: 1, lost: 0 });

  scene.pool.credited("donor 1", 1_000_000);
  await scene.clock.pass(100_000);
  const [receipt] = scene.coordinator.said("donor", "receipt");
  assert.ok(receipt !== undefined);
  assert.equal(receipt.match_id, matchId);
  assert.equal(scene.coordinator.receiptBytes(receipt), 1_000_000);
});

test("a donor is told how many more are welcome, and four offers lie ready", async () => {
  const scene = new Scene();
  await scene.clock.pass(400_000);
  const [want] = scene.coordinator.said("downloader", "want");
  assert.equal(want?.peers_max, ACTIVE + PREPARED);
  assert.equal(want.offers?.length, 4);
  assert.deepEqual(want.missing, [0, layout.count]);
});

test("offers are ready before a file is named, and a donor is connected before the download begins", async () => {
  const scene = new Scene(false);
  scene.pool.warm();
  scene.donor("donor", [[0, layout.count]]);
  await scene.clock.pass(400_000);
  assert.equal(scene.coordinator.said("downloader", "want").length, 0);
  assert.equal(scene.window.connections, 4);
  scene.pool.seek(FILE, layout.count);
  await scene.clock.pass(1);
  const [want] = scene.coordinator.said("downloader", "want");
  assert.deepEqual(want?.missing, [0, layout.count]);
  assert.equal(want.offers?.length, 4);
  scene.coordinator.introduce("downloader", "donor", FILE, [0, layout.count]);
  await scene.clock.pass(1_000_000);
  assert.equal(scene.sources.size, 0, "nothing is asked of it yet");

  scene.missing = [[1, layout.count]];
  scene.begin();
  await scene.clock.pass(1_000_000);
  const sink = ask(scene.source("donor 1"), 1, SEGMENT_BYTES, content.length);
  await scene.clock.pass(1_000_000);
  assert.equal(sink.ended, "finished");
  assert.ok(sink.bytes.equals(content.subarray(SEGMENT_BYTES)));
});

test("while nothing is wanted of donors no connection is made and none kept that nothing is asked of", async () => {
  const scene = new Scene(false);
  const all = scene.missing;
  scene.missing = [];
  scene.begin();
  await scene.clock.pass(1_000_000);
  assert.equal(scene.window.connections, 0);
  assert.equal(scene.coordinator.said("downloader", "want").length, 0);
  scene.missing = all;
  scene.pool.progressed();
  scene.donor("donor", all);
  await scene.meet("donor");
  assert.ok(scene.sources.has("donor 1"));
  scene.missing = [];
  scene.pool.progressed();
  await scene.clock.pass(400_000);
  assert.equal(scene.sources.size, 0);
  assert.equal(scene.coordinator.said("downloader", "want").at(-1)?.peers_max, 0);
});

test("after a lost session the want and the unused offers are said again, and open channels go on", async () => {
  const scene = new Scene();
  scene.donor("donor", [[0, layout.count]]);
  await scene.meet("donor");
  scene.pool.onLost();
  scene.coordinator.up = false;
  const sink = ask(scene.source("donor 1"), 1, 0, 400_000);
  await scene.clock.pass(1_000_000);
  assert.equal(sink.ended, "finished");
  scene.coordinator.up = true;
  const before = scene.coordinator.said("downloader", "want").length;
  scene.pool.onWelcome(WELCOME);
  await scene.clock.pass(1_000_000);
  const again = scene.coordinator.said("downloader", "want").slice(before);
  assert.ok(again.flatMap((want) => want.offers ?? []).length >= 4);
});

test("what a match says of a donor is asked before the donor has said it, and corrected by what it says", async () => {
  const scene = new Scene();
  const donor = scene.donor("donor", [[0, 2]]);
  await scene.clock.pass(400_000);
  const asked: Sink[] = [];
  scene.added = (id) => {
    asked.push(ask(scene.source(id), 1, 0, 1_000), ask(scene.source(id), 2, content.length - 1_000, content.length));
    assert.deepEqual(scene.holdings.get(id), [[0, layout.count]]);
    assert.equal(donor.serving.takers, 0, "it has not even heard our hello");
  };
  scene.coordinator.introduce("downloader", "donor", FILE, [0, layout.count]);
  await scene.clock.pass(400_000);
  assert.deepEqual(
    asked.map(({ ended }) => ended),
    ["finished", "not_held"],
  );
  assert.deepEqual(scene.holdings.get("donor 1"), [[0, 2]]);
  const reports = scene.coordinator.said("downloader", "match_report").map(({ outcome }) => outcome);
  assert.deepEqual(reports, ["open"]);
});

test("while the first donor is about to come no offer is made beside it, but not for long", async () => {
  const scene = new Scene();
  scene.coordinator.join("silent", () => undefined);
  const offers = () => scene.window.commands.filter(({ type }) => type === "make_offer").length;
  await scene.clock.pass(400_000);
  assert.equal(offers(), 4);
  scene.coordinator.introduce("downloader", "silent", FILE, [0, layout.count]);
  await scene.clock.pass(900_000);
  assert.equal(offers(), 4);
  await scene.clock.pass(200_000);
  assert.equal(offers(), 5);
});

test("who leaves gives the donor's place back at once, and the donor's connection goes a second later", async () => {
  const scene = new Scene();
  const donor = scene.donor("donor", [[0, layout.count]]);
  await scene.meet("donor");
  scene.pool.close();
  await scene.clock.pass(100_000);
  assert.equal(donor.serving.takers, 0);
  assert.equal(scene.window.connections, 0, "a page that is left is kept for the way back without connections only");
  assert.equal(donor.window.connections, 1, "its state tells first that the other end is gone");
  await scene.clock.pass(1_000_000);
  assert.equal(donor.window.connections, 0);
});

test("a ticket whose proof is wrong opens nothing, at either end", async () => {
  const scene = new Scene();
  const donor = scene.donor("donor", [[0, layout.count]]);
  scene.coordinator.donorSecret = randomBytes(32);
  await scene.meet("donor");
  assert.equal(scene.sources.size, 0);
  assert.equal(donor.serving.takers, 0);
  assert.equal(donor.window.connections, 0);
  const codes = scene.coordinator.said("donor", "match_report").map(({ outcome, code }) => [outcome, code]);
  assert.ok(["ticket_stolen", "ticket_unknown", "peer_closed"].includes(String(codes[0]?.[1])), JSON.stringify(codes));
  assert.equal(codes[0]?.[0], "failed");
  const ours = scene.coordinator.said("downloader", "match_report").map(({ outcome }) => outcome);
  assert.deepEqual(ours, ["failed"], "though it was asked already");
});

test("a cancelled range brings no more bytes, and the next one comes whole", async () => {
  const scene = new Scene();
  const donor = scene.donor("donor", [[0, layout.count]], 1_000_000);
  await scene.meet("donor");
  const source = scene.source("donor 1");
  const cancelled = ask(source, 1, 0, content.length);
  await scene.clock.pass(200_000);
  source.cancel(1);
  const had = cancelled.filled;
  const next = ask(source, 2, 700_000, 900_000);
  await scene.clock.pass(2_000_000);
  assert.equal(cancelled.filled, had);
  assert.equal(cancelled.ended, undefined);
  assert.equal(next.ended, "finished");
  assert.ok(next.bytes.equals(content.subarray(700_000, 900_000)));
  assert.ok(donor.served.bytes < 200_000 + had + 100_000, "what was cancelled was not sent");
});

test("a shortened range finishes at its new end", async () => {
  const scene = new Scene();
  scene.donor("donor", [[0, layout.count]], 1_000_000);
  await scene.meet("donor");
  const source = scene.source("donor 1");
  const sink = ask(source, 1, 0, content.length);
  await scene.clock.pass(100_000);
  sink.end = 300_000;
  source.shorten(1, 300_000);
  await scene.clock.pass(2_000_000);
  assert.equal(sink.ended, "finished");
  assert.ok(sink.bytes.subarray(0, 300_000).equals(content.subarray(0, 300_000)));
});

test("a segment that went bad at the donor is refused, and the donor notices", async () => {
  const scene = new Scene();
  const donor = scene.donor("donor", [[0, layout.count]]);
  await scene.meet("donor");
  donor.store.broken = new IntegrityError("segment_mismatch", "bad");
  const sink = ask(scene.source("donor 1"), 1, 0, 300_000);
  await scene.clock.pass(500_000);
  assert.equal(sink.ended, "not_held");
  assert.ok(donor.served.lost > 0);
  donor.store.broken = new StoreError("store_unreadable", "gone");
  const second = ask(scene.source("donor 1"), 2, 0, 1_000);
  await scene.clock.pass(500_000);
  assert.equal(second.ended, "not_held");
});

test("a donor that stops ends its downloads at once; the pool asks for another", async () => {
  const scene = new Scene();
  const donor = scene.donor("donor", [[0, layout.count]], 100_000);
  await scene.meet("donor");
  const sink = ask(scene.source("donor 1"), 1, 0, content.length);
  await scene.clock.pass(300_000);
  donor.serving.closeAll(0);
  const had = donor.served.bytes;
  await scene.clock.pass(1_000_000);
  assert.equal(donor.served.bytes, had);
  assert.equal(donor.window.connections, 0);
  assert.equal(sink.ended, "peer_closed for good");
  assert.equal(scene.removed[0]?.[0], "donor 1");
  const wants = scene.coordinator.said("downloader", "want");
  assert.equal(wants.at(-1)?.peers_max, ACTIVE + PREPARED);
});

test("a hundred who come, ask and leave leave nothing behind at the donor", async () => {
  const scene = new Scene();
  const donor = scene.donor("donor", [[0, layout.count]], 100_000);
  for (let visit = 1; visit <= 100; visit += 1) {
    await scene.meet("donor");
    assert.equal(donor.window.connections, 1);
    ask(scene.source(`donor ${visit}`), 1, 0, content.length);
    await scene.clock.pass(100_000);
    scene.pool.lied(`donor ${visit}`); // closes the connection in the middle
    await scene.clock.pass(1_000_000);
    assert.deepEqual([donor.window.connections, donor.serving.takers], [0, 0]);
  }
});

test("a donor that sent wrong bytes is told on once, and gone", async () => {
  const scene = new Scene();
  scene.donor("donor", [[0, layout.count]]);
  await scene.meet("donor");
  scene.pool.lied("donor 1");
  await scene.clock.pass(500_000);
  const reports = scene.coordinator.said("downloader", "match_report").map(({ outcome }) => outcome);
  assert.deepEqual(reports, ["open", "lied"]);
  assert.equal(scene.sources.size, 0);
});

test("a donor that left before its wrong bytes were found is told on too", async () => {
  const scene = new Scene();
  const donor = scene.donor("donor", [[0, layout.count]]);
  await scene.meet("donor");
  donor.serving.closeAll(0);
  await scene.clock.pass(500_000);
  assert.equal(scene.sources.size, 0);
  scene.pool.lied("donor 1");
  const reports = scene.coordinator.said("downloader", "match_report").map(({ outcome }) => outcome);
  assert.deepEqual(reports, ["open", "closed", "lied"]);
});

test("a donor that lies before it says what it holds was met all the same", async () => {
  for (const closesFirst of [false, true]) {
    const scene = new Scene();
    const donor = scene.donor("donor", [[0, layout.count]]);
    donor.window.muted.add(2); // HOLDINGS
    await scene.meet("donor");
    const sink = ask(scene.source("donor 1"), 1, 0, 300_000);
    await scene.clock.pass(500_000);
    assert.equal(sink.ended, "finished");
    if (closesFirst) donor.serving.closeAll(0);
    await scene.clock.pass(500_000);
    scene.pool.lied("donor 1");
    const reports = scene.coordinator.said("downloader", "match_report").map(({ outcome }) => outcome);
    assert.deepEqual(reports, closesFirst ? ["open", "closed", "lied"] : ["open", "lied"]);
  }
});

test("a donor is not let go for what it was believed to hold", async () => {
  const scene = new Scene();
  scene.missing = [[3, 4]];
  scene.donor("donor", [[0, layout.count]]);
  await scene.clock.pass(400_000);
  scene.coordinator.introduce("downloader", "donor", FILE, [0, 2]);
  await scene.clock.pass(400_000);
  assert.deepEqual(scene.holdings.get("donor 1"), [[0, layout.count]]);
  const reports = scene.coordinator.said("downloader", "match_report").map(({ outcome }) => outcome);
  assert.deepEqual(reports, ["open"]);
});

test("a donor with nothing left that is missing is let go", async () => {
  const scene = new Scene();
  const donor = scene.donor("donor", [[0, 2]]);
  await scene.meet("donor");
  scene.missing = [[4, 6]];
  scene.pool.progressed();
  await scene.clock.pass(500_000);
  assert.equal(scene.sources.size, 0);
  assert.equal(donor.serving.takers, 0);
});

test("what a donor claims beyond the end of the file is not there", async () => {
  const scene = new Scene();
  scene.donor("boaster", [
    [1, layout.count + 5],
    [layout.count + 9, 2 ** 32],
  ]);
  await scene.meet("boaster");
  assert.deepEqual(scene.holdings.get("donor 1"), [[1, layout.count]]);
});

test("six donors: four are asked, two wait, and one of these follows", async () => {
  const scene = new Scene();
  const names = ["a", "b", "c", "d", "e", "f"];
  const donors = names.map((name) => scene.donor(name, [[0, layout.count]]));
  for (const name of names) await scene.meet(name);
  assert.deepEqual([...scene.sources.keys()], ["donor 1", "donor 2", "donor 3", "donor 4"]);
  donors[4]?.serving.closeAll(0); // one that waits leaves unseen, and takes no number with it
  donors[1]?.serving.closeAll(0);
  await scene.clock.pass(1_000_000);
  assert.deepEqual([...scene.sources.keys()], ["donor 1", "donor 3", "donor 4", "donor 5"]);
});

test("closing the pool says goodbye with the last receipt, and leaves no connection", async () => {
  const scene = new Scene();
  const donor = scene.donor("donor", [[0, layout.count]]);
  await scene.meet("donor");
  ask(scene.source("donor 1"), 1, 0, 300_000);
  await scene.clock.pass(500_000);
  ask(scene.source("donor 1"), 2, 300_000, 1_000_000); // a busy line: the receipt is not due yet
  scene.pool.credited("donor 1", 262_144);
  scene.pool.close();
  await scene.clock.pass(2_000_000);
  assert.equal(scene.coordinator.said("donor", "receipt").at(-1)?.bytes_total, 262_144);
  assert.equal(scene.window.connections, 0);
  assert.equal(donor.window.connections, 0);
  assert.equal(scene.coordinator.said("downloader", "unwant").length, 1);
});

test("receipts wait for the next session", async () => {
  const scene = new Scene();
  const donor = scene.donor("donor", [[0, layout.count]]);
  await scene.meet("donor");
  ask(scene.source("donor 1"), 1, 0, 300_000);
  await scene.clock.pass(500_000);
  scene.coordinator.up = false;
  scene.pool.credited("donor 1", 262_144);
  await scene.clock.pass(100_000);
  assert.equal(scene.coordinator.said("donor", "receipt").length, 0);
  scene.coordinator.up = true;
  donor.serving.forwardReceipts();
  donor.serving.forwardReceipts();
  await settled();
  assert.equal(scene.coordinator.said("donor", "receipt").length, 1);
});

test("the rate holds for all downloaders together, and they share it", async () => {
  const first = new Scene();
  const donor = first.donor("donor", [[0, layout.count]], 400_000);
  await first.meet("donor");
  await first.meet("donor");
  assert.equal(donor.serving.takers, 2);
  const one = ask(first.source("donor 1"), 1, 0, content.length);
  const two = ask(first.source("donor 2"), 2, 0, content.length);
  const before = donor.window.sentBytes;
  await first.clock.pass(2_000_000);
  const sent = donor.window.sentBytes - before;
  assert.ok(Math.abs(sent / 800_000 - 1) <= 0.15, `${sent} bytes in 2 s of 400 kB/s, burst and one frame included`);
  assert.ok(Math.abs(one.filled - two.filled) <= 65_536, `${one.filled} and ${two.filled}`);
});

test("no byte of a withdrawn file goes out after the word, though it is there still", async () => {
  const scene = new Scene();
  const donor = scene.donor("donor", [[0, layout.count]], 100_000);
  await scene.meet("donor");
  ask(scene.source("donor 1"), 1, 0, content.length);
  await scene.clock.pass(1_000_000);
  scene.coordinator.tell("donor", { type: "withdrawn", file_id: "e".repeat(64) });
  const before = donor.served.bytes;
  await scene.clock.pass(1_000_000);
  assert.ok(donor.served.bytes > before, "another file's end is none of this one");
  scene.coordinator.tell("donor", { type: "withdrawn", file_id: FILE });
  const sent = donor.window.sentBytes;
  await scene.clock.pass(5_000_000);
  assert.ok(donor.window.sentBytes - sent < 100, "a goodbye and nothing else");
  assert.deepEqual([donor.serving.takers, scene.removed], [0, [["donor 1", "peer_closed"]]]);
});

test("whoever is yet to offer for a withdrawn file is let go as well, and gets no connection", async () => {
  const scene = new Scene();
  const donor = scene.donor("donor", [[0, layout.count]]);
  await scene.clock.pass(400_000);
  const matchId = scene.coordinator.introduce("downloader", "donor", FILE, [0, layout.count], true);
  scene.coordinator.tell("donor", { type: "withdrawn", file_id: FILE });
  await scene.clock.pass(400_000);
  assert.deepEqual([donor.window.connections, donor.serving.takers], [0, 0]);
  const left = { type: "match_report", match_id: matchId, outcome: "failed", code: "peer_closed" };
  assert.deepEqual(scene.coordinator.said("donor", "match_report"), [left]);
});

test("a downloader that reads nothing, whatever it grants, holds no more memory than its queue", async () => {
  const scene = new Scene();
  const donor = scene.donor("donor", [[0, layout.count]]);
  await scene.meet("donor");
  donor.window.drains = false;
  const sink = ask(scene.source("donor 1"), 1, 0, content.length);
  await scene.clock.pass(5_000_000);
  const queued = donor.window.sentBytes;
  assert.ok(queued >= QUEUE_HIGH_BYTES && queued <= QUEUE_HIGH_BYTES + FRAME_BYTES_GROWN, `${queued} bytes`);
  donor.window.drain();
  await scene.clock.pass(1_000_000);
  assert.equal(sink.ended, "finished");
});

test("who is full says so", async () => {
  const scene = new Scene();
  const slow = 65_536;
  assert.equal(takersFor(slow, TAKERS_MAX), 1);
  assert.equal(takersFor(1_000_000, 3), 3);
  scene.donor("donor", [[0, layout.count]], slow);
  await scene.meet("donor");
  await scene.meet("donor");
  const reports = scene.coordinator.said("donor", "match_report").map(({ outcome, code }) => [outcome, code]);
  assert.deepEqual(reports.at(-1), ["failed", "busy"]);
});

test("whom the coordinator has no offer for gets one by signal, and none that lies there", async () => {
  const scene = new Scene();
  for (const name of ["a", "b", "c"]) scene.donor(name, [[0, layout.count]]);
  await scene.clock.pass(400_000);
  const runs = [0, layout.count];
  scene.coordinator.introduce("downloader", "a", FILE, runs, true); // its want has not arrived yet
  scene.coordinator.introduce("downloader", "b", FILE, runs);
  scene.coordinator.introduce("downloader", "c", FILE, runs);
  await scene.clock.pass(1_000_000);
  assert.equal(scene.sources.size, 3);
  const reports = scene.coordinator.said("downloader", "match_report").map(({ outcome }) => outcome);
  assert.deepEqual(reports, ["open", "open", "open"]);
});

test("signals that are none end only that introduction", async () => {
  const scene = new Scene();
  scene.donor("donor", [[0, layout.count]]);
  await scene.clock.pass(400_000);
  const matchId = scene.coordinator.introduce("downloader", "donor", FILE, []);
  scene.coordinator.tell("downloader", { type: "signal", match_id: matchId, payload: { kind: "nonsense" } });
  await scene.clock.pass(1_000_000);
  assert.equal(scene.sources.size, 0);
  await scene.meet("donor");
  assert.equal(scene.sources.size, 1);
});

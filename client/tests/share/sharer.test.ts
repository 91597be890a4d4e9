import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { test } from "node:test";
import type { Charged } from "../../src/core/allowance.ts";
import type { FromSharer, ShareStatus } from "../../src/share/messages.ts";
import { Sharer } from "../../src/share/sharer.ts";
import type { SessionSocket } from "../../src/transport/session-client.ts";
import type { ClientMessage, CoordinatorMessage } from "../../src/wire/messages.ts";
import { FakeClock } from "../transport/fake-clock.ts";
import { WELCOME } from "../transport/fake-coordinator.ts";
import { FakeNetwork } from "../transport/fake-rtc.ts";
import { ask, content, FILE, Scene as PeerScene, SEGMENT_BYTES, segmentList } from "../transport/peer-scene.ts";

const FILE_ID = "f".repeat(64);
const PAGE = "a".repeat(32);
const SEGMENT = 65_536;

/** A page that shares one file of four segments, and a coordinator that says what it is told to. */
class Scene {
  readonly clock: FakeClock;
  readonly said: ClientMessage[] = [];
  readonly reports: FromSharer[] = [];
  readonly sharer: Sharer;
  readonly #listeners = new Map<string, (event: { data: unknown }) => void>();

  /** @param chosen what lies in the local storage of the site's donor page. */
  constructor(peers?: PeerScene, chosen: string | null = null, charged: Charged | null = null) {
    this.clock = peers?.clock ?? new FakeClock();
    const tell = peers?.coordinator.join("sharer", (message) => {
      this.hear(message);
    });
    const socket: SessionSocket = {
      bufferedAmount: 0,
      send: (text) => {
        const message = JSON.parse(text) as ClientMessage; // as: what a client writes is one
        this.said.push(message);
        tell?.(message);
      },
      close: () => undefined,
      addEventListener: (type: string, listener: (event: { data: unknown }) => void) =>
        void this.#listeners.set(type, listener),
    };
    const timers: (() => void)[] = [];
    this.sharer = new Sharer(
      { sessionUrl: "wss://c.example/ws", page: PAGE, charged, chosen },
      (peers?.network ?? new FakeNetwork()).window(),
      {
        clock: this.clock,
        hmac: (key, message) => Promise.resolve(new Uint8Array(createHmac("sha256", key).update(message).digest())),
        session: {
          connect: () => socket,
          nowMs: () => this.clock.nowUs() / 1_000,
          chance: () => 0,
          setTimeout: (callback, delayMs) => timers.push(this.clock.after(delayMs * 1_000, callback)) - 1,
          clearTimeout: (timer) => timers[timer]?.(),
        },
        sha256: (bytes) => Promise.resolve(new Uint8Array(createHash("sha256").update(bytes).digest())),
        localTime: () => ({ day: 20_000, month: 24_000, minute: 0 }),
        open: () => Promise.resolve(new Blob([content])),
      },
      (message) => {
        this.reports.push(message);
        if (message.type === "share_charge") this.sharer.charged();
      },
    );
    this.sharer.add({
      fileId: FILE_ID,
      sizeBytes: 4 * SEGMENT,
      segmentSizeBytes: SEGMENT,
      segmentList: new Uint8Array(4 * 32).map((_, at) => at),
    });
  }

  hear(message: CoordinatorMessage): void {
    this.#listeners.get("message")?.({ data: JSON.stringify(message) });
  }

  async welcome(): Promise<void> {
    this.#listeners.get("open")?.({ data: undefined });
    this.hear(WELCOME);
    await this.clock.pass(1_000);
  }

  /** What was said since the last time, but for signs of life. */
  news(): ClientMessage[] {
    return this.said.splice(0).filter(({ type }) => type !== "ping");
  }

  get status(): ShareStatus {
    const last = this.reports.findLast((report) => report.type === "share_status");
    assert.ok(last !== undefined);
    return last.status;
  }
}

const LIMITS = { type: "donate", causes: [], storage_bytes: 0, up_bytes_per_s: 1_000_000, takers_max: 4 };
const holdings = (runs: number[], complete: boolean) => ({
  type: "holdings",
  files: [{ file_id: FILE_ID, runs }],
  complete,
});

test("it comes as a donor without storage, names its page, and tells what it holds as that grows", async () => {
  const scene = new Scene();
  scene.sharer.stored(FILE_ID, [[0, 1]]);
  await scene.welcome();
  const [hello, ...rest] = scene.news();
  assert.equal(hello?.type === "hello" && hello.page, PAGE);
  assert.deepEqual(rest, [LIMITS, holdings([0, 1], true)]);
  scene.sharer.stored(FILE_ID, [[2, 4]]);
  await scene.clock.pass(1_100_000);
  assert.deepEqual(scene.news(), [holdings([0, 1, 2, 2], false)]);
  assert.equal(scene.status.session, "online");
});

test("what is withdrawn, or gone, is not held any more, and that is told at once", async () => {
  const scene = new Scene();
  scene.sharer.stored(FILE_ID, [[0, 4]]);
  await scene.welcome();
  scene.news();
  scene.hear({ type: "withdrawn", file_id: FILE_ID });
  assert.deepEqual(scene.news(), [holdings([], false)]);
});

test("what is given has been told as held before its receipt is forwarded", async () => {
  const peers = new PeerScene();
  const scene = new Scene(peers);
  scene.sharer.add({ fileId: FILE, sizeBytes: content.length, segmentSizeBytes: SEGMENT_BYTES, segmentList });
  scene.sharer.stored(FILE, [[0, 1]]);
  await scene.welcome();
  await peers.meet("sharer");
  await scene.clock.pass(300_000); // the second is over: the next time to tell is far
  scene.news();
  scene.sharer.stored(FILE, [[0, 3]]);
  const [id] = peers.sources.keys();
  assert.ok(id !== undefined);
  ask(peers.source(id), 1, 0, 2 * SEGMENT_BYTES);
  await scene.clock.pass(500_000);
  peers.pool.credited(id, 2 * SEGMENT_BYTES);
  peers.pool.close();
  await scene.clock.pass(100_000);
  const heard = scene.news().filter(({ type }) => type === "holdings" || type === "receipt");
  assert.deepEqual(
    heard.map(({ type }) => type),
    ["holdings", "receipt"],
  );
});

test("a metered connection pauses it, and another one ends the pause", async () => {
  const scene = new Scene();
  await scene.welcome();
  scene.news();
  scene.sharer.heedDevice({ charging: null, metered: true });
  assert.deepEqual(scene.news(), [{ ...LIMITS, up_bytes_per_s: 0, takers_max: 0 }]);
  assert.equal(scene.status.pause, "metered");
  scene.sharer.heedDevice({ charging: null, metered: false });
  assert.deepEqual(scene.news(), [LIMITS]);
  assert.equal(scene.status.pause, null);
});

test("a day's budget that earlier pages used up is used up here", async () => {
  const charged = { day: 20_000, dayBytes: 2_000_000_000, month: 24_000, monthBytes: 2_000_000_000 };
  const scene = new Scene(undefined, null, charged);
  await scene.welcome();
  assert.deepEqual(scene.news()[1], { ...LIMITS, up_bytes_per_s: 0, takers_max: 0 });
  assert.equal(scene.status.pause, "day_used");
});

test("stop says so, and gives the books back", async () => {
  const scene = new Scene();
  await scene.welcome();
  scene.news();
  scene.sharer.stop();
  assert.deepEqual(scene.news(), [{ type: "stop_donating" }]);
  const charged = { day: 20_000, dayBytes: 0, month: 24_000, monthBytes: 0 };
  assert.deepEqual(scene.reports.at(-1), { type: "share_stopped", charged });
  const count = scene.reports.length;
  await scene.clock.pass(5_000_000);
  assert.equal(scene.reports.length, count, "nothing comes after");
});

test("many runs are told in messages that are not too large, the last of which says so", async () => {
  const scene = new Scene();
  const runs = Array.from({ length: 3_000 }, (_, at): [number, number] => [2 * at, 2 * at + 1]);
  for (const id of ["a", "b"]) {
    const segmentList = new Uint8Array(32 * 6_000);
    scene.sharer.add({
      fileId: id.repeat(64),
      sizeBytes: 6_000 * SEGMENT,
      segmentSizeBytes: SEGMENT,
      segmentList,
    });
    scene.sharer.stored(id.repeat(64), runs);
  }
  await scene.welcome();
  const told = scene.news().filter((message) => message.type === "holdings");
  assert.deepEqual(
    told.map(({ files, complete }) => [files.length, complete]),
    [
      [2, false],
      [1, true],
    ],
  );
  assert.ok(told.every((message) => JSON.stringify(message).length < 131_072));
});

test("what was chosen on the donor page of the site is not exceeded, at once when it changes", async () => {
  const allowance = { dailyBytes: 5_000, monthlyBytes: 1e12, hours: null, whileCharging: true, unmetered: false };
  const chosen = JSON.stringify({ upBytesPerS: 64_000, takersMax: 2, allowance });
  const scene = new Scene(undefined, chosen);
  await scene.welcome();
  assert.deepEqual(scene.news()[1], { ...LIMITS, up_bytes_per_s: 64_000, takers_max: 2 });
  scene.sharer.heedDevice({ charging: false, metered: null });
  assert.equal(scene.status.pause, "battery");
  const others = JSON.stringify({ upBytesPerS: 8_000_000, takersMax: 8 });
  scene.sharer.chose(others);
  assert.equal(scene.status.pause, null);
  assert.deepEqual(scene.news().at(-1), LIMITS);
  scene.sharer.chose(others);
  assert.deepEqual(scene.news(), [], "what stays is not said again");
});

test("a count whose clock was ahead is of today from the start, given or not", async () => {
  const scene = new Scene(undefined, null, { day: 20_365, dayBytes: 2e9, month: 24_012, monthBytes: 2e9 });
  await scene.clock.pass(0);
  assert.deepEqual(
    scene.reports.find(({ type }) => type === "share_charge"),
    {
      type: "share_charge",
      charged: {
        day: 20_000,
        dayBytes: 2e9,
        month: 24_000,
        monthBytes: 2e9,
        ahead: [20_365, 24_012],
      },
    },
  );
});

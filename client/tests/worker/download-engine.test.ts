import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action, DownloadScheduler, SchedulerEvent } from "../../src/core/scheduler/messages.ts";
import type { Clock } from "../../src/transport/clock.ts";
import type { RequestOutcome, RequestSink, Source } from "../../src/transport/source.ts";
import { DownloadEngine } from "../../src/worker/download-engine.ts";
import { SegmentIntake } from "../../src/worker/segment-intake.ts";
import { FakeFile, FakeStore, settled, sha256 } from "./fakes.ts";

/** Answers each event with the actions that the test has prepared for its type. */
class ScriptedScheduler implements DownloadScheduler {
  readonly heard: SchedulerEvent[] = [];
  readonly answers = new Map<SchedulerEvent["type"], Action[]>();
  deadlineUs: number | null = null;

  handle(event: SchedulerEvent): readonly Action[] {
    this.heard.push(event);
    const actions = this.answers.get(event.type) ?? [];
    this.answers.delete(event.type);
    return actions;
  }

  nextDeadlineUs(): number | null {
    return this.deadlineUs;
  }

  sources(): readonly [] {
    return [];
  }

  types(): string[] {
    return this.heard.map((event) => event.type);
  }
}

class FakeClock implements Clock {
  us = 1_000;
  timers: { atUs: number; callback: () => void }[] = [];

  nowUs(): number {
    return this.us;
  }

  after(delayUs: number, callback: () => void): () => void {
    const timer = { atUs: this.us + delayUs, callback };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }
}

class FakeSource implements Source {
  readonly calls: string[] = [];
  sink: RequestSink | undefined;
  outcome: RequestOutcome | undefined;

  start(requestId: number, startByte: number, endByte: number, sink: RequestSink, outcome: RequestOutcome): void {
    this.calls.push(`start ${requestId} ${startByte}-${endByte}`);
    this.sink = sink;
    this.outcome = outcome;
  }

  shorten(requestId: number, endByte: number): void {
    this.calls.push(`shorten ${requestId} ${endByte}`);
  }

  cancel(requestId: number): void {
    this.calls.push(`cancel ${requestId}`);
  }

  close(): void {
    this.calls.push("close");
  }
}

function set() {
  const file = new FakeFile(300, 100);
  const scheduler = new ScriptedScheduler();
  const clock = new FakeClock();
  const source = new FakeSource();
  const told: string[] = [];
  const engine = new DownloadEngine(
    scheduler,
    clock,
    {
      received: (sourceId, bytes, endByte) => told.push(`received ${sourceId} ${bytes} to ${endByte}`),
      segmentReadable: () => undefined,
      segmentStored: (index) => told.push(`stored ${index}`),
      banned: (sourceId) => told.push(`banned ${sourceId}`),
      excluded: (sourceId, reason) => told.push(`excluded ${sourceId} ${reason}`),
      complete: () => told.push("complete"),
      failed: (code) => told.push(`failed ${code}`),
      storeFailed: () => told.push("store failed"),
    },
    (listener) => new SegmentIntake(file.layout, file.segmentList, new FakeStore(file.layout), sha256, 1_000, listener),
  );
  scheduler.answers.set("SourceAdded", [
    { type: "StartRequest", requestId: 1, sourceId: "m", startByte: 0, endByte: 200 },
  ]);
  return { file, scheduler, clock, source, told, engine };
}

test("bytes of a request are counted, verified and told in order", async () => {
  const { file, scheduler, source, told, engine } = set();
  engine.addSource("m", "mirror", source, null);
  assert.deepEqual(source.calls, ["start 1 0-200"]);
  source.sink?.write(file.slice(0, 150));
  source.sink?.write(file.slice(150, 200));
  source.outcome?.finished();
  await settled();
  assert.deepEqual(scheduler.types(), [
    "SourceAdded",
    "BytesReceived",
    "BytesReceived",
    "RequestFinished",
    "SegmentVerified",
    "SegmentVerified",
  ]);
  assert.deepEqual(told, ["received m 150 to 150", "received m 50 to 200", "stored 0", "stored 1"]);
});

test("a request that is shortened to what is there finishes at once", () => {
  const { file, scheduler, source, engine } = set();
  engine.addSource("m", "mirror", source, null);
  scheduler.answers.set("BytesReceived", [{ type: "ShortenRequest", requestId: 1, endByte: 100 }]);
  source.sink?.write(file.slice(0, 100));
  assert.deepEqual(source.calls, ["start 1 0-200", "cancel 1"]);
  assert.deepEqual(scheduler.types(), ["SourceAdded", "BytesReceived", "RequestFinished"]);
});

test("a request that is shortened in its rest goes on to its new end, and no further", async () => {
  const { file, scheduler, source, engine } = set();
  engine.addSource("m", "mirror", source, null);
  scheduler.answers.set("BytesReceived", [{ type: "ShortenRequest", requestId: 1, endByte: 150 }]);
  source.sink?.write(file.slice(0, 100));
  assert.equal(source.calls.at(-1), "shorten 1 150");
  assert.equal(await source.sink?.room(), 50);
  source.sink?.write(file.slice(100, 200));
  assert.equal(await source.sink?.room(), 0);
  assert.deepEqual(scheduler.heard.at(-1), { type: "BytesReceived", requestId: 1, receivedBytes: 150 });
});

test("what comes of a cancelled request is dropped, and its end is not told", () => {
  const { file, scheduler, source, engine } = set();
  engine.addSource("m", "mirror", source, null);
  scheduler.answers.set("BytesReceived", [{ type: "CancelRequest", requestId: 1 }]);
  source.sink?.write(file.slice(0, 50));
  source.sink?.write(file.slice(50, 100));
  source.outcome?.failed("mirror_truncated", false, null);
  assert.deepEqual(scheduler.types(), ["SourceAdded", "BytesReceived"]);
});

test("a failure carries its code, permanence and the source's own word", () => {
  const { scheduler, source, engine } = set();
  engine.addSource("m", "mirror", source, null);
  source.outcome?.failed("mirror_busy", false, 5_000_000);
  assert.deepEqual(scheduler.heard.at(-1), {
    type: "RequestFailed",
    requestId: 1,
    reason: "mirror_busy",
    permanent: false,
    retryAfterUs: 5_000_000,
  });
});

test("a banned source is named before it is closed, and is not removed once more", () => {
  const { scheduler, source, told, engine } = set();
  engine.addSource("m", "mirror", source, null);
  scheduler.answers.set("DeadlineReached", [{ type: "BanSource", sourceId: "m", reason: "segment_mismatch" }]);
  engine.start();
  assert.deepEqual(told, ["banned m"]);
  assert.equal(source.calls.at(-1), "close");
  engine.removeSource("m", "peer_closed");
  assert.ok(!scheduler.types().includes("SourceRemoved"));
});

test("a deadline is handed in when its time has come", () => {
  const { scheduler, clock, source, engine } = set();
  scheduler.deadlineUs = 51_000;
  engine.addSource("m", "mirror", source, null);
  assert.deepEqual(
    clock.timers.map((timer) => timer.atUs),
    [51_000],
  );
  clock.us = 51_000;
  clock.timers[0]?.callback();
  assert.equal(scheduler.heard.at(-1)?.type, "DeadlineReached");
});

test("closing ends requests, sources and timers, and nothing is told afterwards", async () => {
  const { file, scheduler, clock, source, told, engine } = set();
  scheduler.deadlineUs = 51_000;
  engine.addSource("m", "mirror", source, null);
  engine.close();
  source.sink?.write(file.slice(0, 100));
  source.outcome?.finished();
  await settled();
  assert.equal(source.calls.at(-1), "close");
  assert.deepEqual(clock.timers, []);
  assert.deepEqual(scheduler.types(), ["SourceAdded"]);
  assert.deepEqual(told, []);
});

test("a pause and its end are the scheduler's to act on", () => {
  const { scheduler, source, engine } = set();
  engine.addSource("m", "mirror", source, null);
  scheduler.answers.set("Paused", [{ type: "CancelRequest", requestId: 1 }]);
  engine.pause();
  assert.equal(source.calls.at(-1), "cancel 1");
  engine.resume();
  assert.deepEqual(scheduler.types(), ["SourceAdded", "Paused", "Resumed"]);
});

/** What traces cannot show: refused settings, and how long a decision may take. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { SchedulerConfig } from "../../../src/core/scheduler/messages.ts";
import { Scheduler } from "../../../src/core/scheduler/scheduler.ts";

const GOOD: SchedulerConfig = { sizeBytes: 1, segmentSizeBytes: 65_536 };

for (const bad of [
  { sizeBytes: -1 },
  { segmentSizeBytes: 0 },
  { segmentSizeBytes: 65_537 },
  { maxInFlightBytes: 65_535 },
  { maxOpenRequests: 0 },
  { firstRequestBytes: 0 },
  { stallUs: 0 },
  { giveUpUs: 0 },
  { noSourceGraceUs: 0 },
]) {
  test(`settings outside their range are refused: ${JSON.stringify(bad)}`, () => {
    assert.throws(() => new Scheduler({ ...GOOD, ...bad }, 0), RangeError);
  });
}

test("after the last action nothing comes", () => {
  const scheduler = new Scheduler({ sizeBytes: 0, segmentSizeBytes: 65_536 }, 0);
  assert.deepEqual(scheduler.handle({ type: "DeadlineReached" }, 0), [{ type: "Complete" }]);
  assert.deepEqual(scheduler.handle({ type: "SourceAdded", sourceId: "a", kind: "mirror" }, 1), []);
  assert.equal(scheduler.nextDeadlineUs(), null);
});

test("every second of 100,000 segments missing: a decision takes well below a millisecond", () => {
  const segmentSizeBytes = 1 << 20;
  const missing = Array.from({ length: 50_000 }, (_, place) => [2 * place, 2 * place + 1] as const);
  const scheduler = new Scheduler({ sizeBytes: 100_000 * segmentSizeBytes, segmentSizeBytes, missing }, 0);
  scheduler.handle({ type: "SourceAdded", sourceId: "a", kind: "mirror" }, 0);
  const begunUs = process.cpuUsage().user;
  for (let place = 0; place < 1_000; place += 1) {
    const requestId = place + 1;
    const nowUs = place * 10_000;
    scheduler.handle({ type: "BytesReceived", requestId, receivedBytes: segmentSizeBytes }, nowUs);
    scheduler.handle({ type: "RequestFinished", requestId }, nowUs);
    scheduler.handle({ type: "SegmentVerified", segmentIndex: 2 * place }, nowUs);
  }
  assert.equal(scheduler.sources()[0]?.verifiedBytes, 1_000 * segmentSizeBytes);
  assert.ok(process.cpuUsage().user - begunUs < 1_000_000, "3,000 events took more than a second");
});

/** The traces of spec/vectors/scheduler, which the Python scheduler answers in the same way. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import type { SchedulerConfig, SchedulerEvent } from "../../../src/core/scheduler/messages.ts";
import { Scheduler } from "../../../src/core/scheduler/scheduler.ts";

interface Trace {
  readonly why: string;
  readonly config: SchedulerConfig;
  readonly steps: readonly {
    readonly nowUs: number;
    readonly event: SchedulerEvent;
    readonly actions: readonly unknown[];
    readonly deadlineUs: number | null;
  }[];
  readonly sources: readonly unknown[];
}

const folder = new URL("../../../../spec/vectors/scheduler/", import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith(".json"));

test("there are traces", () => {
  assert.ok(names.length > 0);
});

for (const name of names) {
  // The file is ours and the Python tests hold its shape.
  const trace = JSON.parse(readFileSync(new URL(name, folder), "utf8")) as Trace;
  test(`${name}: ${trace.why}`, () => {
    const scheduler = new Scheduler(trace.config, 0);
    for (const { nowUs, event, actions, deadlineUs } of trace.steps) {
      const at = `at ${nowUs} after ${JSON.stringify(event)}`;
      assert.deepEqual(scheduler.handle(event, nowUs), actions, at);
      assert.equal(scheduler.nextDeadlineUs(), deadlineUs, at);
    }
    assert.deepEqual(scheduler.sources(), trace.sources);
  });
}

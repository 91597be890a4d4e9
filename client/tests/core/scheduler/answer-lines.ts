/**
 * The TypeScript scheduler as a child process of the differential test (tests/unit/core/scheduler/test_differential.py):
 * each line in is `{"config", "events": [[nowUs, event], ...]}`, each line out what the scheduler answered.
 */

import { createInterface } from "node:readline";

import type { SchedulerConfig, SchedulerEvent } from "../../../src/core/scheduler/messages.ts";
import { Scheduler } from "../../../src/core/scheduler/scheduler.ts";

interface Question {
  readonly config: SchedulerConfig;
  readonly events: readonly (readonly [nowUs: number, event: SchedulerEvent])[];
}

for await (const line of createInterface({ input: process.stdin })) {
  // The only writer is our own test.
  const { config, events } = JSON.parse(line) as Question;
  const scheduler = new Scheduler(config, 0);
  const steps = events.map(([nowUs, event]) => [scheduler.handle(event, nowUs), scheduler.nextDeadlineUs()]);
  process.stdout.write(`${JSON.stringify({ steps, sources: scheduler.sources() })}\n`);
}

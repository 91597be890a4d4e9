/** When a donor may give (spec/allowance.md): the vectors that Python runs, too. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  Allowance,
  furtherOn,
  onTheWire,
  type AllowanceLimits,
  type Charged,
  type LocalTime,
} from "../../src/core/allowance.ts";

type Moment = readonly [day: number, month: number, minute: number];

type Step =
  | { readonly do: "take"; readonly bytes: number; readonly at: Moment; readonly says: string }
  | {
      readonly do: "pause";
      readonly at: Moment;
      readonly charging: boolean | null;
      readonly metered: boolean | null;
      readonly says: string | null;
    }
  | {
      readonly do: "fill";
      readonly at: Moment;
      readonly charging: boolean | null;
      readonly metered: boolean | null;
      readonly says: boolean;
    }
  | {
      readonly do: "used";
      readonly at: Moment;
      readonly says: { readonly dayBytes: number; readonly monthBytes: number };
    }
  | { readonly do: "settle"; readonly says: Charged }
  | { readonly do: "store" }
  | { readonly do: "crash" };

interface Vectors {
  readonly wire: readonly (readonly [sizeBytes: number, wireBytes: number])[];
  readonly cases: readonly {
    readonly name: string;
    readonly limits: AllowanceLimits;
    readonly steps: readonly Step[];
  }[];
}

const file = new URL("../../../spec/vectors/allowance.json", import.meta.url);
// The file is ours and Python's tests read it, too.
const vectors = JSON.parse(readFileSync(file, "utf8")) as Vectors;

const time = ([day, month, minute]: Moment): LocalTime => ({ day, month, minute });

for (const { name, limits, steps } of vectors.cases) {
  test(name, () => {
    let onDisk: Charged = { day: 0, dayBytes: 0, month: 0, monthBytes: 0 };
    let allowance = new Allowance(limits, onDisk);
    for (const [number, step] of steps.entries()) {
      const where = `step ${number}`;
      switch (step.do) {
        case "take":
          assert.equal(allowance.take(step.bytes, time(step.at)), step.says, where);
          break;
        case "pause":
          assert.equal(allowance.pause(time(step.at), step) ?? null, step.says, where);
          break;
        case "fill":
          assert.equal(allowance.mayFill(time(step.at), step), step.says, where);
          break;
        case "used": {
          const { dayBytes, monthBytes } = allowance.used(time(step.at));
          assert.deepEqual({ dayBytes, monthBytes }, step.says, where);
          break;
        }
        case "settle":
          onDisk = allowance.settle();
          assert.deepEqual(onDisk, step.says, where);
          break;
        case "store":
          onDisk = allowance.charged;
          allowance.stored(onDisk);
          break;
        case "crash":
          allowance = new Allowance(limits, onDisk);
      }
    }
  });
}

for (const [sizeBytes, wireBytes] of vectors.wire) {
  test(`${sizeBytes} bytes are ${wireBytes} on the wire`, () => {
    assert.equal(onTheWire(sizeBytes), wireBytes);
  });
}

test("of two counts what is further on counts, of the latest day and month", () => {
  const one = { day: 20_000, dayBytes: 5, month: 24_000, monthBytes: 9 };
  assert.deepEqual(furtherOn(one, { ...one, dayBytes: 7, monthBytes: 8 }), { ...one, dayBytes: 7 });
  const before = { day: 19_999, dayBytes: 70, month: 24_000, monthBytes: 80 };
  assert.deepEqual(furtherOn(one, before), { ...one, monthBytes: 80 });
  assert.deepEqual(furtherOn(before, one), furtherOn(one, before));
});

/** core/fill-pace.ts: the vectors that Python runs, too. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fillPauseUs } from "../../src/core/fill-pace.ts";

interface Case {
  readonly name: string;
  readonly size_bytes: number;
  readonly elapsed_us: number;
  readonly ceiling_bytes_per_s: number;
  readonly pause_us: number;
}

const path = new URL("../../../spec/vectors/fill-pace.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(path, "utf8")) as { cases: readonly Case[] }; // as: our own file

for (const { name, size_bytes: size, elapsed_us: elapsed, ceiling_bytes_per_s: ceiling, pause_us: pause } of cases) {
  test(`pause: ${name}`, () => {
    assert.equal(fillPauseUs(size, elapsed, ceiling), pause);
  });
}

/** core/fill-pace.ts: the vectors that Python runs, too. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FillPace } from "../../src/core/fill-pace.ts";

interface Case {
  readonly name: string;
  readonly ceiling_bytes_per_s: number;
  readonly pieces: readonly {
    readonly size_bytes: number;
    readonly elapsed_us: number;
    readonly now_us: number;
    readonly pause_us: number;
  }[];
}

const path = new URL("../../../spec/vectors/fill-pace.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(path, "utf8")) as { cases: readonly Case[] }; // as: our own file

for (const { name, ceiling_bytes_per_s: ceiling, pieces } of cases) {
  test(`pauses: ${name}`, () => {
    const pace = new FillPace(ceiling, 0);
    for (const piece of pieces)
      assert.equal(pace.pauseUs(piece.size_bytes, piece.elapsed_us, piece.now_us), piece.pause_us);
  });
}

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FailureRow, isReplaced, judgeAnswer, judgeLink, lastModifiedS } from "../../src/core/mirror-answer.ts";

interface Vectors {
  readonly answers: readonly {
    readonly name: string;
    readonly asked: { readonly start: number; readonly end: number; readonly size: number };
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly hidden: boolean;
    readonly nowS: number;
    readonly code: string | null;
    readonly retryAfterUs: number | null;
  }[];
  readonly rows: readonly {
    readonly name: string;
    readonly codes: readonly (string | null)[];
    readonly permanent: readonly (boolean | null)[];
  }[];
  readonly lastModified: readonly {
    readonly name: string;
    readonly lastModified: string | null;
    readonly publishedAtS: number;
    readonly replaced: boolean;
  }[];
  readonly links: readonly {
    readonly name: string;
    readonly code: string;
    readonly replaced: boolean;
    readonly pinned: boolean;
    readonly verdict: string | null;
  }[];
}

const file = new URL("../../../spec/vectors/mirror-answers.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")) as Vectors; // as: the file is ours

for (const { name, asked, status, headers, hidden, nowS, code, retryAfterUs } of vectors.answers) {
  test(`answer: ${name}`, () => {
    const range = { startByte: asked.start, endByte: asked.end, fileSizeBytes: asked.size };
    const fault = judgeAnswer({ status, header: (key) => headers[key] ?? null }, range, hidden, nowS);
    assert.deepEqual(fault, code === null ? null : { code, retryAfterUs });
  });
}

for (const { name, codes, permanent } of vectors.rows) {
  test(`row of failures: ${name}`, () => {
    const row = new FailureRow();
    const answers = codes.map((code) => {
      if (code !== null) return row.failed(code);
      row.delivered();
      return null;
    });
    assert.deepEqual(answers, permanent);
  });
}

for (const { name, lastModified, publishedAtS, replaced } of vectors.lastModified) {
  test(`last modified: ${name}`, () => {
    const seen = lastModifiedS({ status: 206, header: (key) => (key === "Last-Modified" ? lastModified : null) });
    assert.equal(isReplaced(seen, publishedAtS), replaced);
  });
}

for (const { name, code, replaced, pinned, verdict } of vectors.links) {
  test(`link: ${name}`, () => {
    assert.equal(judgeLink(code, replaced, pinned), verdict);
  });
}

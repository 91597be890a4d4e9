import assert from "node:assert/strict";
import { test } from "node:test";
import { fetchSegmentList } from "../../src/download/coordinator.ts";
import { codeOf } from "../../src/wire/errors.ts";

const { signal } = new AbortController();

for (const url of ["http://192.168.1.1/reboot", "//[::1]/x", "https://localhost./x"]) {
  test(`a public coordinator cannot make a page knock at ${url}`, async (context) => {
    const asked = context.mock.method(globalThis, "fetch", () => Promise.reject(new Error("no network in this test")));
    await assert.rejects(
      fetchSegmentList("https://dio.example", url, 32, signal),
      (error) => codeOf(error, "internal") === "coordinator_malformed",
    );
    assert.equal(asked.mock.callCount(), 0);
  });
}

for (const [coordinator, url] of [
  ["https://dio.example", "/api/v1/files/x.segments"],
  ["https://dio.example", "https://cdn.example/x.segments"],
  ["http://127.0.0.1:8080", "http://127.0.0.1:8080/x.segments"],
] as const) {
  test(`${coordinator} may name ${url}`, async (context) => {
    context.mock.method(globalThis, "fetch", () => Promise.resolve(new Response(new Uint8Array(32))));
    assert.equal((await fetchSegmentList(coordinator, url, 32, signal)).length, 32);
  });
}

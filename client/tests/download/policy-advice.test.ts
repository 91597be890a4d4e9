/** Which of a page's policy violations are ours, and what the console says of them. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { adviceLine, adviceOf, PolicyAdvice } from "../../src/download/policy-advice.ts";

const isOurs = (url: URL) => url.origin === "https://dio.example";

function advice(effectiveDirective: string, blockedURI: string, originalPolicy = ""): string | undefined {
  return adviceOf({ effectiveDirective, blockedURI, originalPolicy }, isOurs);
}

test("a blob worker and WebAssembly are named by their keywords", () => {
  assert.equal(advice("worker-src", "blob"), "worker-src blob:");
  assert.equal(advice("worker-src", "blob:https://page.example/1"), "worker-src blob:");
  assert.equal(advice("script-src", "wasm-eval"), "script-src 'wasm-unsafe-eval'");
});

test("an address of ours is named by its origin, under the directive that people write", () => {
  assert.equal(advice("script-src-elem", "https://dio.example/v/1/download.js"), "script-src https://dio.example");
  assert.equal(advice("connect-src", "https://dio.example/api"), "connect-src https://dio.example");
});

test("of a redirect that was refused browsers name where it began, which is listed already", () => {
  const asked = "https://dio.example/api";
  const listed = "default-src 'none'; connect-src 'self' https://dio.example; script-src https://dio.example";
  assert.equal(advice("connect-src", asked, listed), "connect-src (where https://dio.example redirects to)");
  assert.match(advice("connect-src", asked, "default-src https://dio.example") ?? "", /redirects to/);
  const elsewhere = "connect-src https://dio.example.org; script-src https://dio.example";
  assert.equal(advice("connect-src", asked, elsewhere), "connect-src https://dio.example");
});

test("the frame in which an installed service worker saves is the page's own", () => {
  assert.equal(advice("frame-src", "https://page.example/distribute-io-save/1"), "frame-src 'self'");
  assert.equal(advice("frame-src", "https://page.example/other"), undefined);
});

test("what the page itself does is its own affair", () => {
  assert.equal(advice("connect-src", "https://other.example/"), undefined);
  assert.equal(advice("img-src", "https://dio.example/a.png"), undefined);
  assert.equal(advice("script-src", "inline"), undefined);
  assert.equal(advice("script-src", "eval"), undefined);
});

test("sources of one directive stand together, each once", () => {
  const lacks = [
    "connect-src https://a.example",
    "worker-src blob:",
    "connect-src wss://b.example",
    "worker-src blob:",
  ];
  assert.equal(
    adviceLine(lacks),
    "distribute-io: add to this page's Content-Security-Policy: " +
      "connect-src https://a.example wss://b.example; worker-src blob:",
  );
});

test("the same line is told once on a page, and nothing where nothing lacks", (context) => {
  const warn = context.mock.method(console, "warn", () => undefined);
  new PolicyAdvice([]).tell();
  assert.equal(warn.mock.callCount(), 0);
  for (let download = 0; download < 2; download++) {
    const collected = new PolicyAdvice(["https://dio.example"]);
    collected.heard({ effectiveDirective: "connect-src", blockedURI: "https://dio.example/api", originalPolicy: "" });
    collected.inWorker({
      effectiveDirective: "connect-src",
      blockedURI: "https://mirror.example/file",
      originalPolicy: "",
    });
    collected.tell();
  }
  assert.equal(warn.mock.callCount(), 1);
  assert.match(
    String(warn.mock.calls[0]?.arguments[0]),
    /: connect-src https:\/\/dio.example https:\/\/mirror.example$/,
  );
});

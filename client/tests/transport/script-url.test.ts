/** Addresses of scripts on pages that enforce Trusted Types. */

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { scriptUrl, trustedTypesAdvice } from "../../src/transport/script-url.ts";

before(() => {
  Object.assign(globalThis, { location: new URL("https://page.example/releases") });
});

/** A page that enforces Trusted Types and lets each policy be made once. */
function strictPage() {
  const made: string[] = [];
  return {
    made,
    trustedTypes: {
      createPolicy: (name: string, rules: { createScriptURL: (url: string) => string }) => {
        if (made.includes(name)) throw new TypeError("made already");
        made.push(name);
        return { createScriptURL: (url: string) => ({ trusted: rules.createScriptURL(url) }) };
      },
    },
  };
}

test("a page without Trusted Types gets the address as it is", () => {
  assert.equal(scriptUrl("https://dio.example/x.js", {}), "https://dio.example/x.js");
});

test("our parts, blobs and the page's own scripts are let through, by one policy for all", () => {
  const page = strictPage();
  const parts = ["download", "panel", "more", "download-worker", "donor-worker"].map(
    (name) => `https://dio.example/v/1/${name}.js`,
  );
  const urls = [...parts, "blob:https://page.example/1", "https://page.example/w.js"];
  for (const trusted of urls) assert.deepEqual(scriptUrl(trusted, page), { trusted });
  assert.deepEqual(page.made, ["distribute-io"]);
});

test("nothing else becomes a trusted address", () => {
  assert.equal(scriptUrl("https://evil.example/evil.js", strictPage()), "https://evil.example/evil.js");
  assert.equal(scriptUrl("javascript:alert(1)", strictPage()), "javascript:alert(1)");
});

test("a page that allows no policy of ours decides about the plain address", () => {
  const page = strictPage();
  page.made.push("distribute-io"); // by somebody else
  assert.equal(scriptUrl("blob:x", page), "blob:x");
  assert.equal(trustedTypesAdvice(new TypeError("refused"), page), "trusted-types distribute-io");
});

test("other failures are not blamed on Trusted Types", () => {
  assert.equal(trustedTypesAdvice(new Error("network"), strictPage()), undefined);
  assert.equal(trustedTypesAdvice(new TypeError("x"), {}), undefined);
});

/** The measurement of a line, under the limits of whoever has it measured. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { NO_LIMITS } from "../../src/core/allowance.ts";
import { siteCharge } from "../../src/donate/site-charge.ts";
import { measureUpload } from "../../src/pages/measure-upload.ts";

const NAMES = ["localStorage", "navigator", "fetch"] as const;
const before = NAMES.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);

let sentBytes: number;

beforeEach(() => {
  sentBytes = 0;
  let stored: string | null = null;
  const fakes = {
    localStorage: { getItem: () => stored, setItem: (_key: string, text: string) => (stored = text) },
    navigator: { connection: Object.assign(new EventTarget(), { type: "cellular" }) },
    fetch: (_url: string, { body }: { body: Uint8Array }) => {
      sentBytes += body.length;
      return Promise.resolve({ ok: true });
    },
  };
  for (const name of NAMES) Object.defineProperty(globalThis, name, { value: fakes[name], configurable: true });
});

afterEach(() => {
  for (const [name, descriptor] of before) {
    if (descriptor === undefined) Reflect.deleteProperty(globalThis, name);
    else Object.defineProperty(globalThis, name, descriptor);
  }
});

test("what is sent to measure is charged", async () => {
  const found = await measureUpload(NO_LIMITS, new AbortController().signal);
  assert.ok(found !== undefined && found > 0);
  assert.ok(sentBytes > 8_000_000);
  const charged = siteCharge()?.dayBytes ?? 0;
  assert.ok(charged >= 1.07 * sentBytes && charged < 1.07 * sentBytes + 10, `${charged} of ${sentBytes}`);
});

test("nothing is sent where nothing may be given, and no more than a budget allows", async () => {
  const { signal } = new AbortController();
  assert.equal(await measureUpload({ ...NO_LIMITS, unmetered: true }, signal), undefined);
  assert.equal(sentBytes, 0, "over mobile data");
  assert.ok((await measureUpload({ ...NO_LIMITS, monthlyBytes: 500_000 }, signal)) !== undefined);
  assert.equal(sentBytes, 131_072 + 262_144);
  assert.equal(await measureUpload(NO_LIMITS, AbortSignal.abort()), undefined);
  assert.equal(sentBytes, 131_072 + 262_144);
});

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

/** A body that sends 8 bytes whenever it is told to. */
function slowBody(): { response: Response; send: () => void; end: () => void } {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start: (made) => {
      controller = made;
    },
  });
  return {
    response: new Response(body),
    send: () => controller?.enqueue(new Uint8Array(8)),
    end: () => controller?.close(),
  };
}

/** Lets promises and streams go on. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

/** `fetch` as it is, with regard to the signal. */
function answering(response: Response): (url: string, init: RequestInit) => Promise<Response> {
  return (_url, init) =>
    Promise.resolve(
      new Response(response.body?.pipeThrough(new TransformStream(), init.signal ? { signal: init.signal } : {})),
    );
}

test("a slow line is waited for as long as bytes come", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { response, send, end } = slowBody();
  context.mock.method(globalThis, "fetch", answering(response));
  const list = fetchSegmentList("https://dio.example", "/x.segments", 32, signal);
  for (let part = 0; part < 4; part += 1) {
    await settled();
    context.mock.timers.tick(3_000);
    send();
  }
  await settled();
  end();
  assert.equal((await list).length, 32);
});

test("without a byte for four seconds the coordinator counts as unreachable", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { response, send } = slowBody();
  context.mock.method(globalThis, "fetch", answering(response));
  const list = fetchSegmentList("https://dio.example", "/x.segments", 32, signal);
  const outcome = assert.rejects(list, (error) => codeOf(error, "internal") === "coordinator_unreachable");
  await settled();
  send();
  await settled();
  context.mock.timers.tick(4_000);
  await outcome;
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { fetchRange, type Fetch, type RangeSink } from "../../src/transport/http-source.ts";
import { SourceError } from "../../src/wire/errors.ts";

const SIZE = 1_000;
const RANGE = { url: "https://mirror.example/f", startByte: 100, endByte: 300, fileSizeBytes: SIZE };

class Collector implements RangeSink {
  readonly bytes: number[] = [];
  wanted: number;
  readonly step: number;

  constructor(wanted: number, step = wanted) {
    this.wanted = wanted;
    this.step = step;
  }

  get missingBytes(): number {
    return Math.max(0, this.wanted - this.bytes.length);
  }

  room(): Promise<number> {
    return Promise.resolve(Math.min(this.step, this.missingBytes));
  }

  write(bytes: Uint8Array): void {
    assert.ok(bytes.length <= Math.min(this.step, this.missingBytes));
    this.bytes.push(...bytes);
  }
}

interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>;
}

function file(startByte: number, endByte: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: endByte - startByte }, (_, offset) => (startByte + offset) % 251);
}

function answering({ status = 206, headers = {}, body = file(100, 300) }: Answer): Fetch {
  return () => Promise.resolve(new Response(status === 304 ? null : body, { status, headers }));
}

async function failure(answer: Answer): Promise<SourceError> {
  const sink = new Collector(200);
  const error: unknown = await fetchRange(RANGE, sink, new AbortController().signal, answering(answer)).catch(
    (cause: unknown) => cause,
  );
  assert.ok(error instanceof SourceError);
  return error;
}

test("the request is one that needs no preflight and no cache", async () => {
  let seen: RequestInit = {};
  const spy: Fetch = (_, init) => {
    seen = init;
    return answering({})("", init);
  };
  await fetchRange(RANGE, new Collector(200), new AbortController().signal, spy);
  assert.deepEqual(seen.headers, { Range: "bytes=100-299" });
  assert.equal(seen.cache, "no-store");
  assert.equal(seen.credentials, "omit");
  assert.equal(seen.referrerPolicy, "no-referrer");
});

for (const step of [200, 7]) {
  test(`the bytes come in order in steps of ${step}`, async () => {
    const sink = new Collector(200, step);
    assert.equal(await fetchRange(RANGE, sink, new AbortController().signal, answering({})), "complete");
    assert.deepEqual(sink.bytes, [...file(100, 300)]);
  });
}

test("a body that is no byte stream is read in slices", async () => {
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      controller.enqueue(file(100, 250));
      controller.enqueue(file(250, 300));
      controller.close();
    },
  });
  const sink = new Collector(200, 64);
  assert.equal(await fetchRange(RANGE, sink, new AbortController().signal, answering({ body })), "complete");
  assert.deepEqual(sink.bytes, [...file(100, 300)]);
});

test("a shortened range ends at its new end and takes nothing behind it", async () => {
  const sink = new Collector(200, 50);
  const write = sink.write.bind(sink);
  sink.write = (bytes) => {
    write(bytes);
    sink.wanted = 100;
  };
  assert.equal(await fetchRange(RANGE, sink, new AbortController().signal, answering({})), "complete");
  assert.equal(sink.bytes.length, 100);
});

test("an abort is no error", async () => {
  const controller = new AbortController();
  const never: Fetch = (_, init) =>
    new Promise((_resolve, reject) => {
      init.signal?.addEventListener("abort", () => {
        reject(new DOMException("stop", "AbortError"));
      });
    });
  const running = fetchRange(RANGE, new Collector(200), controller.signal, never);
  controller.abort();
  assert.equal(await running, "aborted");
});

const FAILURES: readonly (readonly [string, Answer, string])[] = [
  ["a whole file for a range", { status: 200, headers: { "content-length": "1000" } }, "mirror_ignores_range"],
  ["a whole file of another size", { status: 200, headers: { "content-length": "999" } }, "mirror_file_changed"],
  ["another size in Content-Range", { headers: { "content-range": "bytes 100-299/1001" } }, "mirror_file_changed"],
  ["another range in Content-Range", { headers: { "content-range": "bytes 0-199/1000" } }, "mirror_wrong_range"],
  ["a Content-Range of nonsense", { headers: { "content-range": "bytes */1000" } }, "mirror_wrong_range"],
  ["another length", { headers: { "content-length": "150" } }, "mirror_wrong_range"],
  ["a range beyond its end", { status: 416 }, "mirror_file_changed"],
  ["not found", { status: 404 }, "mirror_missing"],
  ["forbidden", { status: 403 }, "mirror_forbidden"],
  ["a failure of its own", { status: 500 }, "mirror_status"],
  ["too many requests", { status: 429 }, "mirror_busy"],
  ["half a body", { body: file(100, 200) }, "mirror_truncated"],
];

for (const [name, answer, code] of FAILURES) {
  test(`${name} is ${code}`, async () => {
    assert.equal((await failure(answer)).code, code);
  });
}

test("a network failure is mirror_unreachable", async () => {
  const broken: Fetch = () => Promise.reject(new TypeError("Failed to fetch"));
  await assert.rejects(fetchRange(RANGE, new Collector(200), new AbortController().signal, broken), {
    code: "mirror_unreachable",
  });
});

test("a connection that breaks in mid-body is mirror_truncated, and what came stays", async () => {
  const sink = new Collector(200);
  let pulls = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      pulls += 1;
      if (pulls === 1) controller.enqueue(file(100, 200));
      else controller.error(new TypeError("network error"));
    },
  });
  await assert.rejects(fetchRange(RANGE, sink, new AbortController().signal, answering({ body })), {
    code: "mirror_truncated",
  });
  assert.equal(sink.bytes.length, 100);
});

test("Retry-After counts in seconds, or as a date by the mirror's own clock", async () => {
  assert.equal((await failure({ status: 503, headers: { "retry-after": "3" } })).retryAfterUs, 3_000_000);
  const dated = { "retry-after": "Sun, 22 Nov 2026 10:00:09 GMT", date: "Sun, 22 Nov 2026 10:00:00 GMT" };
  assert.equal((await failure({ status: 503, headers: dated })).retryAfterUs, 9_000_000);
  assert.equal((await failure({ status: 503, headers: { "retry-after": "soon" } })).retryAfterUs, undefined);
});

test("a request for the whole file may be answered with 200", async () => {
  const sink = new Collector(SIZE);
  const whole = { ...RANGE, startByte: 0, endByte: SIZE };
  const answer = answering({ status: 200, headers: { "content-length": "1000" }, body: file(0, SIZE) });
  assert.equal(await fetchRange(whole, sink, new AbortController().signal, answer), "complete");
  assert.equal(sink.bytes.length, SIZE);
});

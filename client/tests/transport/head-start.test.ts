import assert from "node:assert/strict";
import { test } from "node:test";
import { HeadStart } from "../../src/transport/head-start.ts";
import { fetchRange, rangeRequest, type Fetch } from "../../src/transport/http-source.ts";

const MIRROR = "https://mirror.example/f";
const FILE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

/** A mirror that notes what it is asked, and which of these requests were given up. */
function mirror() {
  const asked: { readonly what: string; readonly signal: AbortSignal }[] = [];
  const answer: Fetch = (url, { headers, signal }) => {
    const [start = 0, last = 0] = (new Headers(headers).get("Range") ?? "")
      .replace("bytes=", "")
      .split("-")
      .map(Number);
    asked.push({ what: `${url} ${start}-${last}`, signal: signal ?? new AbortController().signal });
    return Promise.resolve(
      new Response(FILE.slice(start, last + 1), {
        status: 206,
        headers: { "Content-Range": `bytes ${start}-${last}/${FILE.byteLength}` },
      }),
    );
  };
  return {
    answer,
    asked: () => asked.map(({ what }) => what),
    givenUp: () => asked.map(({ signal }) => signal.aborted),
  };
}

async function read(startByte: number, endByte: number, fetchFunction: Fetch, url = MIRROR): Promise<number[]> {
  const bytes: number[] = [];
  const sink = {
    get missingBytes() {
      return endByte - startByte - bytes.length;
    },
    room: () => Promise.resolve(sink.missingBytes),
    write: (part: Uint8Array) => void bytes.push(...part),
  };
  const range = { url, startByte, endByte, fileSizeBytes: FILE.byteLength };
  assert.equal(await fetchRange(range, sink, new AbortController().signal, fetchFunction), "complete");
  return bytes;
}

test("the first request for just that range gets the answer that is on its way, once", async () => {
  const { answer, asked } = mirror();
  const fetchFunction = new HeadStart(MIRROR, 4, answer).ahead(answer);
  assert.deepEqual(await read(0, 4, fetchFunction), [1, 2, 3, 4]);
  assert.deepEqual(asked(), [`${MIRROR} 0-3`]);
  assert.deepEqual(await read(0, 4, fetchFunction), [1, 2, 3, 4]);
  assert.deepEqual(asked(), [`${MIRROR} 0-3`, `${MIRROR} 0-3`]);
});

for (const [what, startByte, url] of [
  ["a download that goes on elsewhere in the file", 4, MIRROR],
  ["a download that asks another mirror first", 0, "https://other.example/f"],
] as const)
  test(`${what} ends it`, async () => {
    const { answer, givenUp } = mirror();
    const fetchFunction = new HeadStart(MIRROR, 4, answer).ahead(answer);
    await read(startByte, startByte + 4, fetchFunction, url);
    assert.equal(givenUp()[0], true);
  });

test("nobody's answer is given up, somebody's is not", async () => {
  const { answer, givenUp } = mirror();
  const unused = new HeadStart(MIRROR, 4, answer);
  unused.close();
  const used = new HeadStart(MIRROR, 4, answer);
  const request = used.ahead(answer)(MIRROR, rangeRequest({ startByte: 0, endByte: 4 }, new AbortController().signal));
  used.close();
  assert.deepEqual(givenUp(), [true, false]);
  assert.equal((await request).status, 206);
});

test("who takes the answer can give it up", () => {
  const { answer, givenUp } = mirror();
  const stop = new AbortController();
  void new HeadStart(MIRROR, 4, answer).ahead(answer)(MIRROR, rangeRequest({ startByte: 0, endByte: 4 }, stop.signal));
  assert.deepEqual(givenUp(), [false]);
  stop.abort();
  assert.deepEqual(givenUp(), [true]);
});

test("a mirror that does not answer is told to who asks", async () => {
  const failing: Fetch = () => Promise.reject(new TypeError("Failed to fetch"));
  const fetchFunction = new HeadStart(MIRROR, 4, failing).ahead(failing);
  await assert.rejects(read(0, 4, fetchFunction), { code: "mirror_unreachable" });
});

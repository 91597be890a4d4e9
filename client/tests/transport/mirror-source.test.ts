import assert from "node:assert/strict";
import { test } from "node:test";
import { MirrorSource } from "../../src/transport/mirror-source.ts";
import { whyUnreachable, type TroubleWorld } from "../../src/transport/mirror-trouble.ts";
import type { Fetch } from "../../src/transport/http-source.ts";

const URL_PUBLIC = "https://mirror.example/f";
const failing: Fetch = () => Promise.reject(new TypeError("Failed to fetch"));

function world(fetchFunction: Fetch, states: Readonly<Record<string, PermissionState>> = {}): TroubleWorld {
  return { fetch: fetchFunction, pageHost: "site.example", permission: (name) => Promise.resolve(states[name]) };
}

/** Answers what was asked without CORS only, as a mirror that knows no CORS does. */
const withoutCors: Fetch = (_, init) =>
  init.mode === "no-cors" && init.method === "HEAD"
    ? Promise.resolve(new Response(null, { status: 200 }))
    : Promise.reject(new TypeError("Failed to fetch"));

test("a mirror that answers, but not to pages, sends no CORS", async () => {
  assert.equal(await whyUnreachable(URL_PUBLIC, world(withoutCors)), "mirror_no_cors");
  assert.equal(await whyUnreachable(URL_PUBLIC, world(failing)), "mirror_unreachable");
});

test("a browser that keeps a public page from the local network is named", async () => {
  const prompt = { "loopback-network": "prompt", "local-network": "denied" } as const;
  assert.equal(await whyUnreachable("http://127.0.0.1:1/f", world(failing, prompt)), "mirror_local_network");
  assert.equal(await whyUnreachable("http://192.168.1.2/f", world(failing, prompt)), "mirror_local_network");
  assert.equal(await whyUnreachable(URL_PUBLIC, world(failing, prompt)), "mirror_unreachable");
  const granted = { "loopback-network": "granted" } as const;
  assert.equal(await whyUnreachable("http://127.0.0.1:1/f", world(failing, granted)), "mirror_unreachable");
  const atHome = { ...world(failing, prompt), pageHost: "localhost" };
  assert.equal(await whyUnreachable("http://127.0.0.1:1/f", atHome), "mirror_unreachable");
});

type End = readonly [code: string, permanent: boolean] | "finished";

/** One request for the first 4 of 8 bytes, and how it ended. */
function ask(source: MirrorSource): Promise<End> {
  let missingBytes = 4;
  const sink = {
    room: () => Promise.resolve(missingBytes),
    write: (bytes: Uint8Array) => void (missingBytes -= bytes.byteLength),
    get missingBytes() {
      return missingBytes;
    },
  };
  return new Promise((resolve) => {
    source.start(1, 0, 4, sink, {
      finished: () => {
        resolve("finished");
      },
      failed: (code, permanent) => {
        resolve([code, permanent]);
      },
    });
  });
}

test("no CORS three times in a row is the mirror's last word", async () => {
  const source = new MirrorSource(URL_PUBLIC, 8, world(withoutCors));
  assert.deepEqual(await ask(source), ["mirror_no_cors", false]);
  assert.deepEqual(await ask(source), ["mirror_no_cors", false]);
  assert.deepEqual(await ask(source), ["mirror_no_cors", true]);
});

test("a mirror that let a page in before is not asked why it is down", async () => {
  const answers: Fetch[] = [
    () => Promise.resolve(new Response(new Uint8Array(4), { status: 206, headers: { "content-length": "4" } })),
    failing,
  ];
  let asked = 0;
  const fetchFunction: Fetch = (url, init) => (answers[asked++] ?? withoutCors)(url, init);
  const source = new MirrorSource(URL_PUBLIC, 8, world(fetchFunction));
  assert.equal(await ask(source), "finished");
  assert.deepEqual(await ask(source), ["mirror_unreachable", false]);
  assert.equal(asked, 2);
});

test("a page that is refused for the third time in a row stops asking", async () => {
  const forbidden: Fetch = () => Promise.resolve(new Response(null, { status: 403 }));
  const source = new MirrorSource(URL_PUBLIC, 8, world(forbidden));
  const ends = [await ask(source), await ask(source), await ask(source)];
  assert.deepEqual(ends, [
    ["mirror_forbidden", false],
    ["mirror_forbidden", false],
    ["mirror_forbidden", true],
  ]);
});

test("where a redirect led is asked directly, until it fails", async () => {
  const asked: string[] = [];
  const fetchFunction: Fetch = (url) => {
    asked.push(url);
    if (url !== URL_PUBLIC && asked.length > 2) return Promise.resolve(new Response(null, { status: 403 }));
    const answer = new Response(new Uint8Array(4), { status: 206, headers: { "content-length": "4" } });
    Object.defineProperty(answer, "url", { value: "https://cdn.example/f" });
    return Promise.resolve(answer);
  };
  const source = new MirrorSource(URL_PUBLIC, 8, world(fetchFunction));
  for (let count = 0; count < 4; count += 1) await ask(source);
  assert.deepEqual(asked, [URL_PUBLIC, "https://cdn.example/f", "https://cdn.example/f", URL_PUBLIC]);
});

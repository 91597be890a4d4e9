/** What is begun before a download's first byte, and in which order. */

import assert from "node:assert/strict";
import { before, mock, test } from "node:test";

import { adviceOn } from "../../src/download/policy-advice.ts";
import { Preparation } from "../../src/download/preparation.ts";
import { choosePeers } from "../../src/download/preferences.ts";
import type { WorkerFactory } from "../../src/download/worker-code.ts";

const MIRROR = "https://mirror.example/pub/app.iso";
const ENTRY = {
  file_id: "ab".repeat(32),
  name: "pub/app.iso",
  size_bytes: 3 * 2 ** 20,
  cause: "ours",
  manifests: [],
  mirrors: [{ url: MIRROR }],
  segments_url: "/api/v1/files/x.segments",
  session_url: "wss://dio.example/api/v1/ws",
  stun: [],
};
const ASKED_MS = 100;

before(() => {
  const page = { addEventListener: () => undefined, removeEventListener: () => undefined };
  Object.assign(globalThis, {
    ...page,
    document: page,
    window: page,
    location: new URL("https://page.example/"),
    RTCPeerConnection: () => undefined,
  });
});

/** Lets all that waits for no timer happen. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A download that is being prepared; `answer` is when the coordinator says what the link is. */
function prepared(href = MIRROR) {
  let say: (response: Response) => void = () => undefined;
  const said = new Promise<Response>((resolve) => {
    say = resolve;
  });
  const told: string[] = [];
  const fetched = mock.method(globalThis, "fetch", (url: string, init?: RequestInit) => {
    if (url.includes("/resolve?")) return said;
    if (init?.signal?.aborted !== true) told.push("(list)");
    return Promise.reject(new TypeError("no list in this test"));
  });
  const worker = Object.assign(new EventTarget(), {
    postMessage: ({ type }: { readonly type: string }) => void told.push(type),
    terminate: () => undefined,
  });
  const workers = { start: () => Promise.resolve(worker) } as unknown as WorkerFactory; // as: all that is used of it
  const coordinatorUrl = "https://dio.example";
  const settings = { coordinatorUrl, keys: [], workers, advice: adviceOn(coordinatorUrl) };
  const preparation = new Preparation(settings, { href });
  return {
    preparation,
    told,
    answer: async (body: unknown = ENTRY) => {
      say(Response.json(body));
      await settled();
    },
    end: () => {
      preparation.forbidPeers(); // its port would keep this program running
      preparation.end();
      fetched.mock.restore();
    },
  };
}

test("of a file that is wanted the first mirror is asked before all else", async () => {
  const { preparation, told, answer, end } = prepared();
  preparation.allowPeers();
  preparation.seek();
  await answer();
  assert.deepEqual(told, ["head_start", "connect", "allow_peers", "(list)"]);
  end();
});

test("donors are sought at once only of a file that no mirror gives", async () => {
  const { preparation, told, answer, end } = prepared("http://mirror.example/not-from-an-https-page");
  preparation.allowPeers();
  preparation.seek();
  await answer({ ...ENTRY, mirrors: [] });
  assert.deepEqual(told, ["connect", "allow_peers", "seek", "(list)"]);
  end();
});

test("a press asks no mirror; the click that follows does, once", async () => {
  const { preparation, told, answer, end } = prepared();
  preparation.allowPeers();
  await answer();
  assert.deepEqual(told, ["connect", "allow_peers", "(list)"]);
  preparation.seek();
  preparation.seek();
  assert.deepEqual(told.slice(3), ["head_start"]);
  end();
});

test("what draws waits for the first request, but for one that cannot be made not at all, nor long for any", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  for (const begun of [
    (download: ReturnType<typeof prepared>) => download.answer(),
    (download: ReturnType<typeof prepared>) => download.answer("no entry"),
    () => {
      mock.timers.tick(ASKED_MS);
    },
  ]) {
    const download = prepared();
    let isAsked = false;
    void download.preparation.asked.then(() => (isAsked = true));
    download.preparation.seek();
    await settled();
    assert.ok(!isAsked);
    await begun(download);
    await settled();
    assert.ok(isAsked);
    download.end();
  }
  mock.timers.reset();
});

test("what ended while its worker began asks nobody any more", async () => {
  const { preparation, told, answer, end } = prepared();
  preparation.allowPeers();
  preparation.seek();
  const answered = answer();
  preparation.cancel(new Error("cancelled"));
  await answered;
  assert.deepEqual(told, []);
  end();
});

test("mirrors only, chosen anywhere on the page, ends the donors of all that is prepared or runs", async () => {
  const pressed = prepared();
  pressed.preparation.allowPeers();
  await pressed.answer();
  choosePeers("on");
  assert.ok(!pressed.told.includes("forbid_peers"));
  choosePeers("off");
  assert.equal(pressed.told.at(-1), "forbid_peers");
  pressed.end();
  choosePeers("off");
  assert.equal(pressed.told.filter((type) => type === "forbid_peers").length, 2, "the second is end's own");
});

/** What becomes of a click: the events, the saved file, and when the plain link is followed. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { SegmentLayout } from "../../src/core/segment-layout.ts";
import type { DownloadObserver, DownloadSettings, FileDownload } from "../../src/download/file-download.ts";
import { choosePeers } from "../../src/download/preferences.ts";
import type { TrustedFile } from "../../src/download/trust.ts";
import type { Stopped } from "../../src/snippet/ask-unchecked.ts";
import { LinkDownload, type ComingPanel } from "../../src/snippet/link-download.ts";
import type { EventDetail } from "../../src/snippet/link-events.ts";
import type { LinkOptions } from "../../src/snippet/part.ts";
import type { NewCard } from "../../src/ui/panel.ts";
import { IntegrityError, RefusedError, StoreError, UsageError } from "../../src/wire/errors.ts";

const HREF = "https://mirror.example/pub/app%201.iso";
const PROGRESS = { receivedBytes: 7, keptBytes: 0, rateBytesPerS: 7, sources: [] };
const FILE: TrustedFile = {
  fileId: "ab".repeat(32),
  name: "pub/app 1.iso",
  sizeBytes: 7,
  layout: new SegmentLayout(7, 262_144),
  segmentsSha256: "cd".repeat(32),
  publishedAtS: 0,
  signedBy: "ed25519:A",
  signer: "ed25519:A",
};
const OPTIONS: LinkOptions = {
  selector: "a.download",
  coordinatorUrl: "https://dio.example",
  partsUrl: "https://dio.example/v/latest/",
  parts: {},
  keys: [],
  peers: "on",
  share: "ask",
  ui: "none",
  workerUrl: null,
  serviceWorkerUrl: null,
};

/** As much of a link as is used. */
class FakeLink extends EventTarget {
  href = HREF;
  download = "";
  isConnected = true;
  readonly dataset: Record<string, string> = {};
  readonly events: [string, EventDetail][] = [];

  get origin(): string {
    return new URL(this.href).origin;
  }

  get host(): string {
    return new URL(this.href).host;
  }

  cloneNode(): this {
    return this;
  }

  override dispatchEvent(event: Event): boolean {
    this.events.push([event.type, (event as CustomEvent<EventDetail>).detail]); // as: we send no others
    return true;
  }
}

interface Outcome {
  readonly events: FakeLink["events"];
  readonly saved: string[];
  readonly followed: unknown[];
  readonly asked: unknown[];
  readonly peers: string[];
  /** What the browser's own question said. */
  readonly told: Stopped[];
}

/** Runs a click; `run` is what the download does. */
async function click(
  run: (observer: DownloadObserver) => unknown,
  {
    link = new FakeLink(),
    plain = new FakeLink(),
    options = OPTIONS,
    panel = undefined as ComingPanel["panel"] | undefined,
    mayHandOver = true,
    wantsUnchecked = false,
    clicksAgain = false,
    keptName = null as string | null,
  } = {},
): Promise<Outcome & { link: FakeLink; plain: FakeLink }> {
  const outcome = {
    saved: [] as string[],
    followed: [] as unknown[],
    asked: [] as unknown[],
    peers: [] as string[],
    told: [] as Stopped[],
  };
  const effects = {
    download: (_settings: DownloadSettings, observer: DownloadObserver) => {
      const download = {
        run: async (target: unknown) => {
          outcome.asked.push(target);
          const saved = (await run(observer)) === true;
          return { file: FILE, progress: PROGRESS, blob: new Blob(["content"]), keptName, saved };
        },
        allowPeers: () => outcome.peers.push("allowed"),
        forbidPeers: () => outcome.peers.push("forbidden"),
      };
      return download as unknown as FileDownload; // as: what a click without a panel uses of it
    },
    save: (_blob: Blob, name: string) => void outcome.saved.push(name),
    mayHandOver: () => mayHandOver,
    follow: (followed: unknown) => void outcome.followed.push(followed),
    ask: (stopped: Stopped) => {
      outcome.told.push(stopped);
      return Promise.resolve(wantsUnchecked);
    },
  };
  // as: fakes
  const clicked = { link, plain } as unknown as ConstructorParameters<typeof LinkDownload>[0];
  const coming = panel === undefined ? undefined : { panel, isHere: false };
  const download = new LinkDownload(clicked, options, coming, undefined, effects);
  const ran = download.run();
  if (clicksAgain) {
    await settled();
    download.reveal();
  }
  await ran;
  await settled(); // what is asked after the end
  return { ...outcome, events: link.events, link, plain };
}

/** A panel, what its only card was made for, and what that was told. */
function onlyPanel() {
  const told: string[] = [];
  let made: (card: NewCard) => void;
  const card = new Promise<NewCard>((resolve) => (made = resolve));
  const add = (options: NewCard) => {
    made(options);
    return { tell: ({ type }: { type: string }) => told.push(type) };
  };
  return { panel: Promise.resolve({ add }) as unknown as ComingPanel["panel"], card, told }; // as: what is used of a panel
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
/** One that cannot be had. */
const NO_PANEL = Promise.resolve(undefined);

function fails(error: Error) {
  return () => {
    throw error;
  };
}

test.before(() => {
  Object.assign(globalThis, { location: new URL("https://page.example/"), addEventListener: () => undefined });
});

test("a download says what it does, in order, and saves the file under its signed name", async () => {
  const { events, saved, followed, asked } = await click((observer) => {
    observer.found(FILE);
    observer.started(PROGRESS, new Int32Array());
    observer.progressed(PROGRESS, new Int32Array());
  });
  assert.deepEqual(
    events.map(([type]) => type.replace("distribute:", "")),
    ["start", "progress", "progress", "verified", "saved"],
  );
  const verified = events[3]?.[1];
  assert.deepEqual([verified?.sha256, verified?.signedBy], [FILE.fileId, FILE.signedBy]);
  assert.deepEqual([saved, followed, asked], [["app 1.iso"], [], [{ href: HREF }]]);
});

test("without a panel a file is saved without the click that nobody can ask for", async () => {
  const { saved, events } = await click(() => undefined, { panel: NO_PANEL, mayHandOver: false });
  assert.deepEqual([saved, events.at(-1)?.[0]], [["app 1.iso"], "distribute:saved"]);
});

test("without a panel nobody is asked for a place", async () => {
  let place: unknown = "not asked";
  await click(
    (observer) => {
      void observer.noRoom?.().then((handle) => (place = handle));
    },
    { panel: NO_PANEL },
  );
  assert.equal(place, undefined);
});

test("without a panel what is wrong is told all the same, and the link is followed only for who wants it", async () => {
  const forged = fails(new IntegrityError("bad_signature", "wrong"));
  for (const wantsUnchecked of [false, true]) {
    const { told, followed, plain } = await click(forged, { panel: NO_PANEL, wantsUnchecked });
    assert.deepEqual(told, [{ name: "app 1.iso", code: "bad_signature", host: "mirror.example" }]);
    assert.deepEqual(followed, wantsUnchecked ? [plain] : []);
  }
  assert.deepEqual((await click(forged)).told, [], "a page with a display of its own tells it itself");
});

test("without a panel a second click follows the link; a page's own display has its own answer", async () => {
  const { followed, plain } = await click(() => undefined, { panel: NO_PANEL, clicksAgain: true });
  assert.deepEqual(followed, [plain]);
  assert.deepEqual((await click(() => undefined, { clicksAgain: true })).followed, []);
});

test("without a panel donors are met only by the visitor's own choice", async () => {
  assert.deepEqual((await click(() => undefined, { panel: NO_PANEL })).peers, ["forbidden"]);
  Object.defineProperty(globalThis, "localStorage", { value: { getItem: () => "on" }, configurable: true });
  try {
    assert.deepEqual((await click(() => undefined, { panel: NO_PANEL })).peers, ["allowed", "allowed"]);
  } finally {
    Reflect.deleteProperty(globalThis, "localStorage");
  }
});

test("a page's own display hears that a file waits for a click, and the next one on the link saves it", async () => {
  const { saved, followed, events } = await click(() => undefined, { mayHandOver: false, clicksAgain: true });
  assert.deepEqual(
    events.map(([type]) => type.replace("distribute:", "")),
    ["progress", "verified", "waiting", "saved"],
  );
  assert.deepEqual([saved, followed], [["app 1.iso"], []]);
});

test("a card that is closed while the browser saves lets the stored copy go, once the digest is there", async () => {
  const { panel, card } = onlyPanel();
  const copied = 15 * 60 * 1_000; // the browser has the file by then
  const soon = setTimeout;
  const later = mock.method(globalThis, "setTimeout", (callback: () => void, delayMs: number) =>
    delayMs === copied ? undefined : soon(callback, delayMs),
  );
  const { saved } = await click(
    async (observer) => {
      await settled();
      observer.found(FILE);
      observer.stored?.(new Blob(["content"]));
      (await card).actions.dismiss();
      return true;
    },
    { panel, keptName: "kept" },
  );
  assert.equal(saved.length, 1);
  assert.equal(later.mock.calls.filter(({ arguments: [, delayMs] }) => delayMs === copied).length, 1);
  later.mock.restore();
});

test("what is wrong with a file that the browser saves is told when its card was closed", async () => {
  const { panel, card } = onlyPanel();
  const { told, saved } = await click(
    async (observer) => {
      await settled();
      observer.found(FILE);
      observer.stored?.(new Blob(["content"]));
      (await card).actions.dismiss();
      throw new IntegrityError("file_mismatch", "wrong");
    },
    { panel },
  );
  assert.deepEqual([saved.length, told.map(({ code }) => code)], [1, ["file_mismatch"]]);
});

test("a late panel gets its card and all that was; before it there are no donors, and a file is not kept back", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let resolve: (panel: Awaited<ComingPanel["panel"]>) => void = () => undefined;
  const panel: ComingPanel["panel"] = new Promise((come) => {
    resolve = come;
  });
  const clicked = click(
    (observer) => {
      observer.found(FILE);
    },
    { panel, mayHandOver: false },
  );
  await settled();
  mock.timers.tick(4_000);
  const { saved, peers } = await clicked;
  assert.deepEqual([saved, peers], [["app 1.iso"], []]);
  const told: string[] = [];
  const card = { tell: ({ type }: { type: string }) => told.push(type) };
  resolve({ add: () => card } as unknown as Awaited<ComingPanel["panel"]>); // as: what is used of a panel
  await settled();
  assert.deepEqual([told.at(0), told.at(-1), peers], ["found", "saved", ["allowed"]]);
  mock.timers.reset();
});

test("what is saved ahead of the whole digest is saved once, and is only said to be saved when that is right", async () => {
  const { events, saved, followed } = await click((observer) => {
    observer.found(FILE);
    observer.started(PROGRESS, new Int32Array());
    return observer.stored?.(new Blob(["content"])) ?? false;
  });
  assert.deepEqual(
    events.map(([type]) => type.replace("distribute:", "")),
    ["start", "progress", "verified", "saved"],
  );
  assert.deepEqual([saved, followed], [["app 1.iso"], []]);
});

test("a whole digest that is wrong, or cannot be had, after the file was handed over is an error, and nothing is followed", async () => {
  for (const error of [
    new IntegrityError("file_mismatch", "wrong"),
    new StoreError("store_unreadable", "a bad disk"),
  ]) {
    const { events, saved, followed } = await click((observer) => {
      observer.found(FILE);
      observer.stored?.(new Blob(["content"]));
      throw error;
    });
    assert.deepEqual([events.map(([type]) => type), saved, followed], [["distribute:error"], ["app 1.iso"], []]);
    assert.equal(events[0]?.[1].code, error.code);
  }
});

test("a link's `download` names the file on the page's own origin, and nowhere else", async () => {
  const own = new FakeLink();
  own.href = "https://page.example/app.iso";
  own.download = "other.iso";
  const foreign = new FakeLink();
  foreign.download = "other.iso";
  assert.deepEqual((await click(() => undefined, { plain: own })).saved, ["other.iso"]);
  assert.deepEqual((await click(() => undefined, { plain: foreign })).saved, ["app 1.iso"]);
});

test("a link may name the file by its id; another word there does not count", async () => {
  const plain = new FakeLink();
  plain.dataset["distribute"] = FILE.fileId;
  assert.deepEqual((await click(() => undefined, { plain })).asked, [{ fileId: FILE.fileId }]);
  plain.dataset["distribute"] = "yes";
  assert.deepEqual((await click(() => undefined, { plain })).asked, [{ href: HREF }]);
});

test("what is not available leads to the plain link, as it was clicked", async () => {
  for (const error of [
    new RefusedError("coordinator_unreachable", "gone"),
    new UsageError("part_unavailable", "blocked"),
    new TypeError("something that no code of ours foresaw"),
  ]) {
    const { events, followed, saved, plain } = await click(fails(error));
    assert.deepEqual([events.map(([type]) => type), followed, saved], [["distribute:fallback"], [plain], []]);
    assert.equal(events[0]?.[1].code, "code" in error ? error.code : "unsupported_browser");
  }
});

test("what is wrong, and what the visitor stopped, follows nothing", async () => {
  for (const error of [
    new IntegrityError("file_mismatch", "wrong"),
    new UsageError("bad_argument", "a pin that is no key"),
    new StoreError("save_interrupted", "the visitor stopped it"),
  ]) {
    const { events, followed, saved } = await click(fails(error));
    assert.deepEqual([events.map(([type]) => type), followed, saved], [["distribute:error"], [], []]);
    assert.equal(events[0]?.[1].code, error.code);
  }
});

test("donors are allowed at once only where the page's default is on", async () => {
  for (const [peers, allowed] of [
    ["on", ["allowed"]],
    ["ask", []],
    ["off", []],
  ] as const)
    assert.deepEqual((await click(() => undefined, { options: { ...OPTIONS, peers } })).peers, allowed);
});

test("once the link is out of the page, events come from its twin, else from the document", async () => {
  const gone = new FakeLink();
  gone.isConnected = false;
  const twin = new FakeLink();
  const other = new FakeLink();
  other.href = "https://mirror.example/other";
  const page = Object.assign(new FakeLink(), { querySelectorAll: () => [other, twin] });
  Object.assign(globalThis, { document: page });
  await click(() => undefined, { link: gone });
  assert.deepEqual([twin.events.length, page.events.length, gone.events.length, other.events.length], [3, 0, 0, 0]);
  twin.href = "https://mirror.example/changed";
  await click(() => undefined, { link: gone });
  assert.deepEqual([twin.events.length, page.events.length], [3, 3]);
});

// The last one: the choice sticks.
test("mirrors only, chosen at another download of the site, is shown here and holds here", async () => {
  const { panel, told } = onlyPanel();
  const { peers } = await click(
    async () => {
      await settled();
      choosePeers("off");
      await settled();
    },
    { panel },
  );
  assert.deepEqual(peers, ["allowed", "forbidden"]);
  assert.equal(told.includes("peers_chosen"), true);
});

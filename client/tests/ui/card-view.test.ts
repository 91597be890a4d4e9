/** Events in, view out: what a card says and offers, as a table. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type CardEvent, type CardState, firstState, nextState, type PeersChoice } from "../../src/ui/card-state.ts";
import { speechOf } from "../../src/ui/card-speech.ts";
import { type CardView, KEPT_MARK, OTHERS_MARK, type Surroundings, viewOf } from "../../src/ui/card-view.ts";
import { SegmentMap } from "../../src/ui/segment-map.ts";
import { ENGLISH } from "../../src/ui/strings-en.ts";
import { Words } from "../../src/ui/words.ts";
import type { Progress, SourceProgress } from "../../src/worker/messages.ts";

const AROUND: Surroundings = {
  words: new Words({ tag: "en", direction: "ltr", strings: ENGLISH }),
  coordinator: "dl.example.org",
  linkHost: "mirror.example",
};
const FOUND = { type: "found", name: "f.iso", sizeBytes: 100_000_000, segments: 100 } as const;
const SIGNED = { type: "verified", proof: { sha256: "ab", signer: "ed25519:k", pinned: true } } as const;
const UNPINNED = { type: "verified", proof: { ...SIGNED.proof, pinned: false } } as const;

const source = (id: string, bytes: number, more: Partial<SourceProgress> = {}): SourceProgress => ({
  id,
  kind: id.startsWith("donor") ? "peer" : "mirror",
  bytes,
  rateBytesPerS: 0,
  state: "ready",
  problem: null,
  ...more,
});
const MIRROR = "https://mirror.example:8443/pub/f.iso";
const progressed = (receivedBytes: number, more: Partial<Progress> = {}): CardEvent => ({
  type: "progressed",
  progress: { receivedBytes, keptBytes: 0, rateBytesPerS: 1_000_000, sources: [], ...more },
});
const HALF = progressed(50_000_000, { sources: [source(MIRROR, 50_000_000, { rateBytesPerS: 1_000_000 })] });
const ALL = progressed(100_000_000);

const stateAfter = (events: readonly CardEvent[], peers: PeersChoice = "on"): CardState =>
  events.reduce(nextState, firstState("link.iso", peers));
const viewAfter = (events: readonly CardEvent[], peers?: PeersChoice): CardView =>
  viewOf(stateAfter(events, peers), new SegmentMap(100), AROUND);
const buttonsOf = ({ buttons }: CardView) => buttons.map(({ action }) => action).join(" ");

describe("a card says how it stands and offers what fits", () => {
  const table: readonly {
    readonly rule: string;
    readonly events: readonly CardEvent[];
    readonly state: string;
    readonly note?: RegExp;
    readonly tone?: CardView["tone"];
    readonly buttons: string;
    readonly bar?: string | null;
  }[] = [
    {
      rule: "before anything is known",
      events: [],
      state: "Looking for sources …",
      buttons: "cancel",
      bar: "Looking for sources …",
    },
    {
      rule: "before the first byte",
      events: [FOUND],
      state: "Waiting for the sources …",
      buttons: "pause cancel",
      bar: "0%, 0 byte of 100 MB",
    },
    {
      rule: "while bytes come",
      events: [FOUND, HALF],
      state: "Downloading",
      buttons: "pause cancel",
      bar: "50%, 50 MB of 100 MB, 1 MB/s, 50 seconds left",
    },
    {
      rule: "when nothing comes any more",
      events: [FOUND, HALF, progressed(5e7, { rateBytesPerS: 0 })],
      state: "Waiting for the sources …",
      buttons: "pause cancel",
      bar: "50%, 50 MB of 100 MB",
    },
    {
      rule: "while it is paused",
      events: [FOUND, HALF, { type: "paused" }],
      state: "Paused",
      note: /is kept/,
      buttons: "resume cancel",
      bar: "50%, 50 MB of 100 MB",
    },
    {
      rule: "when it goes on",
      events: [FOUND, HALF, { type: "paused" }, { type: "resumed" }],
      state: "Downloading",
      buttons: "pause cancel",
    },
    {
      rule: "when it was paused before its place was open",
      events: [FOUND, { type: "paused" }, { type: "started", progress: stateAfter([FOUND]).progress }],
      state: "Paused",
      note: /is kept/,
      buttons: "resume cancel",
    },
    {
      rule: "when the browser saves it, and only the digest of the whole is to come",
      events: [FOUND, ALL, { type: "saving" }],
      state: "Checking the whole file …",
      note: /./,
      buttons: "dismiss",
    },
    {
      rule: "when all is there and not yet proven",
      events: [FOUND, HALF, ALL],
      state: "Checking the whole file …",
      buttons: "cancel",
      bar: "100%, 100 MB of 100 MB",
    },
    {
      rule: "signed by a key that the page names",
      events: [FOUND, ALL, SIGNED, { type: "saved" }],
      state: "Verified",
      note: /exactly the file that the publisher signed.*Handed/,
      tone: "good",
      buttons: "save dismiss",
      bar: null,
    },
    {
      rule: "signed by a key that nobody named",
      events: [FOUND, ALL, UNPINNED, { type: "saved" }],
      state: "Matches the list of dl.example.org",
      note: /names no publisher's key.*Handed/,
      tone: "fair",
      buttons: "save dismiss",
      bar: null,
    },
    {
      rule: "when the browser wants a click",
      events: [FOUND, ALL, SIGNED, { type: "save_waits" }],
      state: "Verified",
      note: /waits for a click/,
      tone: "good",
      buttons: "save dismiss",
    },
    {
      rule: "when bytes are wrong",
      events: [FOUND, HALF, { type: "stopped", code: "all_sources_lie" }],
      state: "Stopped",
      note: /not what the publisher signed/,
      tone: "bad",
      buttons: "dismiss",
      bar: null,
    },
    {
      rule: "when only the page's key does not fit",
      events: [{ type: "stopped", code: "untrusted_manifest" }],
      state: "Stopped",
      note: /publisher whom this page names has not signed/,
      tone: "bad",
      buttons: "dismiss",
    },
    {
      rule: "when the page's key is none",
      events: [{ type: "stopped", code: "bad_argument" }],
      state: "Stopped",
      note: /no valid key/,
      tone: "bad",
      buttons: "dismiss",
    },
    {
      rule: "when the manifest is malformed",
      events: [{ type: "stopped", code: "manifest_bad_size" }],
      state: "Stopped",
      note: /description of this file is faulty/,
      tone: "bad",
      buttons: "dismiss",
    },
    {
      rule: "when the link is followed",
      events: [{ type: "followed", code: "coordinator_unreachable" }],
      state: "The plain link was followed instead",
      note: /does not answer.*not checked by us/,
      buttons: "dismiss",
      bar: null,
    },
    {
      rule: "when it is followed for a reason without words",
      events: [{ type: "followed", code: "internal" }],
      state: "The plain link was followed instead",
      note: /not available/,
      buttons: "dismiss",
    },
    {
      rule: "when another tab has it",
      events: [FOUND, { type: "elsewhere" }],
      state: "On its way in another tab",
      buttons: "dismiss",
      bar: "0%, 0 byte of 100 MB",
    },
    {
      rule: "when it was cancelled",
      events: [FOUND, HALF, { type: "cancelled", code: null }],
      state: "Cancelled",
      note: /Nothing was kept/,
      buttons: "dismiss",
      bar: null,
    },
    {
      rule: "when it was ended in the browser's own list, where an earlier visit's part is kept",
      events: [FOUND, HALF, { type: "cancelled", code: "save_interrupted" }],
      state: "Cancelled",
      buttons: "dismiss",
      bar: null,
    },
  ];
  for (const { rule, events, state, note, tone = "plain", buttons, bar } of table) {
    test(rule, () => {
      const view = viewAfter(events);
      assert.equal(view.state, state);
      if (note === undefined) assert.ok(view.note === "" || view.phase === "elsewhere");
      else assert.match(view.note, note);
      assert.equal(view.tone, tone);
      assert.equal(buttonsOf(view), buttons);
      if (bar !== undefined) assert.equal(view.bar?.text ?? null, bar);
    });
  }
});

test("only a file that a named key signed is called verified, in no other state is the word used", () => {
  const states = [[], [FOUND, HALF], [FOUND, ALL], [FOUND, ALL, UNPINNED], [FOUND, { type: "elsewhere" }]] as const;
  for (const events of states) assert.doesNotMatch(JSON.stringify(viewAfter(events)), /verified,|"Verified"/);
  assert.equal(viewAfter([FOUND, ALL, UNPINNED]).proof?.signerNote, "This page does not say whose key this is.");
  assert.equal(viewAfter([FOUND, ALL, SIGNED]).proof?.signerNote, "This page names this key as the publisher's.");
});

test("a download that came to nothing says why no source delivered, and has the plain link to press", () => {
  const failed = [
    source("https://a.example/f", 0),
    source("https://b.example/f", 0, { state: "probation", problem: "mirror_unreachable" }),
    source("https://c.example/f", 0, { state: "excluded", problem: "mirror_no_cors" }),
  ];
  for (const type of ["stopped", "followed"] as const) {
    const view = viewAfter([FOUND, progressed(0, { sources: failed }), { type, code: "no_sources" }]);
    assert.deepEqual(
      view.sources.map(({ name, detail }) => [name, detail !== ""]),
      [
        ["b.example", true],
        ["c.example", true],
        ["a.example", false],
      ],
    );
    assert.equal(view.plainLink?.label, "Download unchecked from mirror.example");
  }
});

test("a stopped download names its code and offers the plain link, with what it means", () => {
  const view = viewAfter([FOUND, { type: "stopped", code: "bad_signature" }]);
  assert.equal(view.code, "Code: bad_signature");
  assert.equal(view.plainLink?.label, "Download unchecked from mirror.example");
  assert.match(view.plainLink.note, /nobody checks/);
  assert.equal(viewAfter([FOUND, HALF]).plainLink, null);
});

describe("sources", () => {
  const rowsOf = (sources: readonly SourceProgress[], keptBytes = 0) =>
    viewAfter([FOUND, progressed(1_000_000, { sources, keptBytes })]).sources;

  test("a mirror is called by its host, a donor by its number", () => {
    const rows = rowsOf([source(MIRROR, 1, { rateBytesPerS: 2_000_000 }), source("donor 12", 1)]);
    assert.deepEqual(
      rows.map(({ name, detail }) => [name, detail]),
      [
        ["mirror.example:8443", "2 MB/s"],
        ["Donor 12", ""],
      ],
    );
  });

  test("one that is not used says why, in words", () => {
    const rows = rowsOf([
      source(MIRROR, 5, { state: "probation", problem: "slow" }),
      source("https://b.example/f", 0, { state: "excluded", problem: "mirror_ignores_range" }),
      source("donor 1", 0, { state: "banned", problem: "segment_mismatch" }),
      source("https://c.example/f", 0, { state: "excluded", problem: "some_new_code" }),
    ]);
    assert.deepEqual(
      rows.map(({ detail, out }) => [detail, out]),
      [
        ["On probation: others are many times as fast", true],
        ["Not used: it only sends whole files", true],
        ["Banned: it sent wrong bytes", true],
        ["Not used: it failed (some_new_code)", true],
      ],
    );
  });

  test("donors count when they have delivered, not when they were introduced", () => {
    const sources = [source(MIRROR, 5), source("donor 1", 5), source("donor 2", 0), source("donor 3", 0)];
    const view = viewAfter([FOUND, progressed(10, { sources })]);
    assert.equal(view.summary, "From 1 mirror and 1 donor");
    assert.deepEqual(
      view.sources.map(({ name }) => name),
      ["mirror.example:8443", "Donor 1"],
    );
    assert.equal(viewAfter([FOUND, progressed(0)]).summary, "No source has delivered so far");
  });

  test("seven have a mark of their own, in the order of their first byte; the others share one row", () => {
    const donors = Array.from({ length: 20 }, (_, at) => source(`donor ${at}`, 1_000_000, { rateBytesPerS: 1_000 }));
    const rows = rowsOf([source(MIRROR, 0), ...donors]);
    assert.deepEqual(
      rows.map(({ mark, name }) => [mark, name]),
      [
        ...donors.slice(0, 7).map((_, at) => [at + 1, `Donor ${at}`]),
        [OTHERS_MARK, "13 more donors"],
        [null, "mirror.example:8443"],
      ],
    );
    assert.deepEqual([rows[7]?.size, rows[7]?.detail], ["13 MB", "13 kB/s"]);
  });

  test("a mark stays with its source when the order of bytes changes", () => {
    const first = progressed(1, { sources: [source(MIRROR, 0), source("donor 1", 1)] });
    const then = progressed(9, { sources: [source(MIRROR, 8), source("donor 1", 1)] });
    const rows = viewAfter([FOUND, first, then]).sources;
    assert.deepEqual(
      rows.map(({ mark, name }) => [mark, name]),
      [
        [1, "Donor 1"],
        [2, "mirror.example:8443"],
      ],
    );
  });

  test("what an earlier visit had stored has a row and a mark", () => {
    assert.deepEqual(rowsOf([], 3_000_000), [
      { mark: KEPT_MARK, name: "Here from an earlier visit", detail: "", out: false, size: "3 MB" },
    ]);
  });

  test("a crowd of idle mirrors does not fill the panel, and those with a reason go before it", () => {
    const mirrors = Array.from({ length: 64 }, (_, at) => source(`https://m${at}.example/f`, 0));
    assert.equal(rowsOf(mirrors).length, 6);
    const out = source("https://out.example/f", 0, { state: "excluded", problem: "mirror_insecure" });
    assert.equal(rowsOf([...mirrors, out])[0]?.name, "out.example");
  });

  test("at the end nobody is called slow or gone any more, but a liar stays one", () => {
    const sources = [
      source(MIRROR, 9, { rateBytesPerS: 5, state: "removed", problem: "peer_closed" }),
      source("donor 1", 5, { state: "banned", problem: "segment_mismatch" }),
    ];
    const rows = viewAfter([FOUND, progressed(100_000_000, { sources }), SIGNED, { type: "saved" }]).sources;
    assert.deepEqual(
      rows.map(({ detail }) => detail),
      ["", "Banned: it sent wrong bytes"],
    );
  });
});

test("the map shows each cell's sender by its mark, and says in words what it shows", () => {
  const sources = [source("https://idle.example/f", 0), source(MIRROR, 60_000_000), source("donor 1", 10_000_000)];
  const state = stateAfter([FOUND, progressed(75_000_000, { sources, keptBytes: 5_000_000 })]);
  const map = new SegmentMap(100);
  map.add(new Int32Array([0, 5, -1, 5, 60, 1, 65, 10, 2]));
  const view = viewOf(state, map, AROUND).map;
  assert.equal(view?.label, "Map of the file: 60% from mirror.example:8443, 10% from Donor 1, and 25% still missing.");
  const marks = view.cells.map(({ mark }) => mark);
  assert.equal(marks[0], KEPT_MARK);
  assert.equal(marks[10], 1);
  assert.equal(marks[65], 2);
  assert.equal(marks.at(-1), null);
});

describe("the choice about donors", () => {
  for (const [peers, asks, mirrorsOnly] of [
    ["ask", true, null],
    ["on", false, false],
    ["off", false, true],
    ["never", false, null],
  ] as const) {
    test(`stands at ${peers}`, () => {
      const view = viewAfter([FOUND, HALF], peers);
      assert.deepEqual([view.asks, view.mirrorsOnly], [asks, mirrorsOnly]);
    });
  }

  test("is answered once, and may be changed while the download runs", () => {
    const yes = { type: "peers_chosen", allowed: true } as const;
    assert.deepEqual([viewAfter([FOUND, yes], "ask").asks, viewAfter([FOUND, yes], "ask").mirrorsOnly], [false, false]);
    assert.equal(viewAfter([FOUND, { ...yes, allowed: false }], "ask").mirrorsOnly, true);
    assert.equal(viewAfter([FOUND, ALL, SIGNED]).mirrorsOnly, null);
  });
});

describe("aloud", () => {
  const saidAfter = (events: readonly CardEvent[]) =>
    speechOf(stateAfter(events.slice(0, -1)), stateAfter(events), AROUND);

  for (const [rule, events, said] of [
    ["the start is said", [FOUND], /^The download of f.iso has started, 100 MB\./],
    ["progress is not", [FOUND, progressed(10_000_000)], undefined],
    ["a quarter of a long download is", [FOUND, progressed(25_000_000)], "f.iso: 25% are here, 1 minute left."],
    ["a jump over two marks is said once", [FOUND, progressed(60_000_000)], "f.iso: 60% are here, 40 seconds left."],
    ["what is over in a moment is not", [FOUND, progressed(95_000_000)], undefined],
    ["the same mark is not said twice", [FOUND, HALF, progressed(51_000_000)], undefined],
    ["a pause is said", [FOUND, { type: "paused" }], "f.iso is paused."],
    ["its end is said", [FOUND, { type: "paused" }, { type: "resumed" }], "f.iso goes on."],
    ["the check is not", [FOUND, ALL], undefined],
    ["the verdict is said with the hand-over", [FOUND, ALL, SIGNED], undefined],
    ["so is the hand-over", [FOUND, ALL, SIGNED, { type: "saved" }], /^f.iso: Verified. This is exactly.*Handed to/],
    [
      "a stop is said with its reason",
      [FOUND, { type: "stopped", code: "all_sources_lie" }],
      /^f.iso: Stopped. What came/,
    ],
    ["another tab is said", [FOUND, { type: "elsewhere" }], /another tab/],
  ] as const) {
    test(rule, () => {
      const text = saidAfter(events);
      if (said instanceof RegExp) assert.match(text ?? "", said);
      else assert.equal(text, said);
    });
  }
});

test("a download that follows another tab shows how far that is, and begins here when that tab is gone", () => {
  const following = [FOUND, { type: "elsewhere" }, HALF] as const;
  const view = viewAfter(following);
  assert.equal(view.bar?.percent, 50);
  assert.equal(view.map, null);
  assert.deepEqual([view.asks, view.mirrorsOnly, buttonsOf(view)], [false, null, "dismiss"]);
  const { progress } = stateAfter([FOUND, HALF]);
  const begun = viewAfter([...following, { type: "started", progress }]);
  assert.deepEqual([begun.state, buttonsOf(begun)], ["Downloading", "pause cancel"]);
});

test("a hundred percent are shown only when all is there", () => {
  assert.equal(viewAfter([FOUND, progressed(99_999_999)]).bar?.percent, 99);
  assert.equal(viewAfter([FOUND, ALL]).bar?.percent, 100);
  assert.equal(viewAfter([{ ...FOUND, sizeBytes: 0, segments: 0 }]).bar?.percent, 100);
});

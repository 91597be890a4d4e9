/**
 * The panel in all its states, for tests/browser/test_panel.py and for eyes: bundled by that test, no part of the product.
 *
 * `show(SCENE, TAG)` draws a scene in a language; `xx` is a made-up one that is written from right to left. What the cards' owners would hear is in `pressed`.
 */

import type { UnfinishedDownload } from "../../src/saving/kept-files.ts";
import type { ShareStatus } from "../../src/share/messages.ts";
import { KEPT } from "../../src/core/segment-senders.ts";
import { type CardEvent, firstState, type PeersChoice } from "../../src/ui/card-state.ts";
import type { Action } from "../../src/ui/card-view.ts";
import { wordsIn } from "../../src/ui/language.ts";
import { fetchLanguage } from "../../src/ui/language-part.ts";
import { Panel } from "../../src/ui/panel.ts";
import { PanelFooter } from "../../src/ui/panel-footer.ts";
import { shareView, type ShareInput } from "../../src/ui/share-view.ts";
import { ENGLISH } from "../../src/ui/strings-en.ts";
import { MORE_ENGLISH } from "../../src/ui/strings-more-en.ts";
import german from "../../src/ui/strings-de.json";
import { type Strings, Words } from "../../src/ui/words.ts";
import type { Progress, SourceProgress } from "../../src/worker/messages.ts";

const MIB = 1024 * 1024;
const SIZE_BYTES = 700 * MIB;
const SEGMENTS = 700;
const SHA256 = "3b9f0c1e5d7a48b2c6e1f09a8d7c6b5a4f3e2d1c0b9a8f7e6d5c4b3a29181706";
const KEY = "ed25519:q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=";
const LONG_NAME = `an-extraordinarily-long-release-name-${"that-never-ends-".repeat(6)}1.0.tar.xz`;

const source = (id: string, kind: SourceProgress["kind"], megabytes: number, more: Partial<SourceProgress> = {}) => ({
  id,
  kind,
  bytes: megabytes * MIB,
  rateBytesPerS: megabytes * 40_000,
  state: "ready" as const,
  problem: null,
  ...more,
});
const mirror = (host: string, megabytes: number, more?: Partial<SourceProgress>) =>
  source(`https://${host}/pub/release-1.0.iso`, "mirror", megabytes, more);
const donor = (number: number, megabytes: number, more?: Partial<SourceProgress>) =>
  source(`donor ${number}`, "peer", megabytes, more);

const SOURCES = [
  mirror("mirror.example.org", 140),
  mirror("ftp.uni-somewhere.example", 70),
  mirror("slow.example.net", 4, { state: "probation", problem: "stalled", rateBytesPerS: 0 }),
  mirror("broken.example.com", 0, { state: "excluded", problem: "mirror_ignores_range", rateBytesPerS: 0 }),
  donor(1, 40),
  donor(2, 22),
  donor(3, 0, { state: "banned", problem: "segment_mismatch", rateBytesPerS: 0 }),
];
/** Why nobody delivers. */
const GONE = [
  mirror("mirror.example.org", 0, { state: "probation", problem: "mirror_unreachable" }),
  mirror("ftp.uni-somewhere.example", 0, { state: "probation", problem: "mirror_busy" }),
  mirror("broken.example.com", 0, { state: "excluded", problem: "mirror_no_cors" }),
];
const CROWD = [...SOURCES, ...Array.from({ length: 40 }, (_, at) => donor(4 + at, 3))];

/** A moment in which the sources have sent what they say, spread over the file as sources do. */
function moment(sources: readonly SourceProgress[], rateBytesPerS: number, keptMegabytes = 0) {
  const sent: number[] = [];
  let at = 0;
  const run = (sender: number, count: number) => {
    if (count > 0) sent.push(at, count, sender);
    at += count;
  };
  run(KEPT, keptMegabytes);
  const left = sources.map(({ bytes }) => bytes / MIB);
  while (left.some((segments) => segments > 0)) {
    left.forEach((segments, row) => {
      const count = Math.min(segments, 7 + ((row * 5) % 11));
      run(row, count);
      left[row] = segments - count;
    });
    if (rateBytesPerS > 0 && at < SEGMENTS * 0.6) at += at % 3; // gaps: others are still on their way
  }
  const receivedBytes = keptMegabytes * MIB + sources.reduce((sum, { bytes }) => sum + bytes, 0);
  const progress: Progress = { receivedBytes, keptBytes: keptMegabytes * MIB, rateBytesPerS, sources };
  return { event: { type: "progressed", progress } as const, sent: new Int32Array(sent) };
}

const FOUND = { type: "found", name: "release-1.0.iso", sizeBytes: SIZE_BYTES, segments: SEGMENTS } as const;
const START = { type: "started", progress: firstState("", "on").progress } as const;
const RUNNING = moment(SOURCES, 11_200_000, 60);
const ALL = moment(
  SOURCES.map((one) => (one.id.includes("mirror.example.org") ? mirror("mirror.example.org", 564) : one)),
  0,
);
const verified = (pinned: boolean): CardEvent => ({ type: "verified", proof: { sha256: SHA256, signer: KEY, pinned } });

type Step = CardEvent | { readonly event: CardEvent; readonly sent: Int32Array<ArrayBuffer> };

const SCENES: Readonly<Record<string, readonly Step[]>> = {
  before: [],
  asked: [FOUND],
  running: [FOUND, START, RUNNING],
  crowd: [FOUND, START, moment(CROWD, 24_000_000)],
  waiting: [FOUND, START, moment(SOURCES.slice(0, 2), 0)],
  paused: [FOUND, START, RUNNING, { type: "paused" }],
  checking: [FOUND, START, ALL],
  saving: [FOUND, START, ALL, { type: "saving" }],
  unchecked: [FOUND, START, ALL, { type: "saving" }, { type: "unchecked", code: "store_unreadable" }],
  verified: [FOUND, START, ALL, verified(true), { type: "saved" }],
  listed: [FOUND, START, ALL, verified(false), { type: "saved" }],
  save_waits: [FOUND, START, ALL, verified(true), { type: "save_waits" }],
  stopped: [FOUND, START, RUNNING, { type: "stopped", code: "all_sources_lie" }],
  untrusted: [{ type: "stopped", code: "untrusted_manifest" }],
  followed: [{ type: "followed", code: "coordinator_unreachable" }],
  nobody: [FOUND, START, moment(GONE, 0), { type: "followed", code: "no_sources" }],
  elsewhere: [FOUND, { type: "elsewhere" }, RUNNING.event],
  cancelled: [FOUND, START, RUNNING, { type: "cancelled", code: null }],
  no_room: [FOUND, START, RUNNING, { type: "no_room" }],
  share_asked: [FOUND, START, RUNNING],
  sharing: [FOUND, START, ALL, verified(true), { type: "saved" }],
  share_off: [FOUND, START, RUNNING],
  unfinished: [FOUND, START, RUNNING],
  long: [{ ...FOUND, name: LONG_NAME }, START, RUNNING],
  small: [
    { ...FOUND, sizeBytes: 12 * MIB, segments: 12 },
    START,
    moment([mirror("mirror.example.org", 5), donor(1, 3)], 2e6),
  ],
};

const STATUS: ShareStatus = {
  session: "online",
  takers: 3,
  rateBytesPerS: 870_000,
  givenBytes: 214_000_000,
  people: 12,
  pause: null,
};

/** What stands after the cards, by scene. */
const SHARES: Readonly<Partial<Record<string, ShareInput>>> = {
  share_asked: { policy: "ask", chosen: undefined, peersAllowed: true, state: { is: "off" } },
  sharing: { policy: "ask", chosen: "on", peersAllowed: true, state: { is: "on", status: STATUS } },
  share_off: { policy: "ask", chosen: "off", peersAllowed: true, state: { is: "off" } },
};
const UNFINISHED: readonly UnfinishedDownload[] = ["release-0.9.iso", LONG_NAME].map((name, at) => ({
  fileId: String(at).repeat(64),
  name,
  href: "https://mirror.example.org/old",
  sizeBytes: 1_400_000_000,
  storedBytes: 600_000_000 + at,
  changedAtMs: Date.now() - 5_000_000 * (at + 1),
  running: false,
}));

/** The same in letters that are written from right to left. */
function pseudo(text: string): string {
  return text.replace(/\{\w+\}|[a-z]/gi, (found) =>
    found.length > 1 ? found : String.fromCharCode(0x5d0 + (found.toLowerCase().charCodeAt(0) % 26)),
  );
}
const PSEUDO = Object.fromEntries(
  Object.entries({ ...ENGLISH, ...MORE_ENGLISH }).map(([key, text]) => [
    key,
    typeof text === "string" ? pseudo(text) : { one: pseudo(text.one), other: pseudo(text.other) },
  ]),
) as unknown as Strings; // as: made of the same keys

const pressed: string[] = [];
let panel: Panel | undefined;
let footer: PanelFooter | undefined;

async function show(scene: string, tag: string): Promise<void> {
  const words =
    tag === "xx"
      ? new Words({ tag: "he", direction: "rtl", strings: PSEUDO })
      : wordsIn(await fetchLanguage([tag], () => Promise.resolve(Response.json(german))));
  panel ??= new Panel(words);
  const peers: PeersChoice = scene === "asked" ? "ask" : "on";
  const link = document.querySelector("a") ?? document.createElement("a");
  const act = (action: Action) => () => {
    pressed.push(action);
    if (action === "pause") card.tell({ type: "paused" });
    if (action === "resume") card.tell({ type: "resumed" });
    if (action === "cancel") card.tell({ type: "cancelled", code: null });
    if (action === "use_donors" || action === "mirrors_only") {
      card.tell({ type: "peers_chosen", allowed: action === "use_donors" });
    }
  };
  const card = panel.add({
    name: "release-1.0.iso",
    peers,
    coordinator: "dl.example.org",
    linkHost: "mirror.example.org",
    plainLink: link.cloneNode(false) as HTMLAnchorElement, // as: a clone has the type of its original
    opener: link,
    actions: {
      pause: act("pause"),
      resume: act("resume"),
      cancel: act("cancel"),
      choose: act("choose"),
      save: act("save"),
      dismiss: act("dismiss"),
      use_donors: act("use_donors"),
      mirrors_only: act("mirrors_only"),
    },
  });
  if (footer === undefined) {
    const answer = (name: string) => () => pressed.push(name);
    footer = new PanelFooter(panel, { start: answer("start"), stop: answer("stop") });
  }
  const share = SHARES[scene];
  footer.strip.draw(share === undefined ? null : shareView(share, footer.words));
  footer.list.draw(
    scene === "unfinished" ? UNFINISHED : [],
    () => pressed.push("go_on"),
    () => pressed.push("deleted"),
  );
  for (const step of SCENES[scene] ?? []) {
    if ("event" in step) card.tell(step.event, step.sent);
    else card.tell(step);
  }
}

/** Takes the panel away, for the next scene to begin anew. */
function clear(): void {
  document.querySelector("distribute-panel")?.remove();
  panel = footer = undefined;
}

Object.assign(window, { show, clear, pressed });

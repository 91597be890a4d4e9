/**
 * What a card shows: from a download's state to words, figures and buttons, as plain values. Decides all, draws nothing.
 *
 * Rules:
 * - "Verified" is said only of a file that a key signed which the page names; anything weaker is said in other words and
 *   with another sign (SECURITY.md).
 * - Sources are counted when they have delivered, not when they were introduced.
 * - A mark (pattern and colour) belongs to one source for the whole download; who came too late for a mark of their own
 *   share one.
 */

import { KEPT } from "../core/segment-senders.ts";
import type { SourceProgress } from "../worker/messages.ts";
import { type CardState, MARKS_MAX, percentOf, type Phase } from "./card-state.ts";
import type { SegmentMap } from "./segment-map.ts";
import type { Words } from "./words.ts";

/** What a person can do by pressing a button. */
export type Action = "pause" | "resume" | "cancel" | "choose" | "save" | "dismiss" | "use_donors" | "mirrors_only";

export interface ButtonView {
  readonly action: Action;
  readonly label: "pause" | "resume" | "cancel" | "choose" | "save" | "save_again" | "dismiss";
  readonly primary?: boolean;
}

export type Tone = "plain" | "good" | "fair" | "bad";

/** Marks: 0 for an earlier visit, then one for each source that has its own, then one for all others. */
export const KEPT_MARK = 0;
export const OTHERS_MARK = MARKS_MAX + 1;

export interface SourceView {
  /** The pattern of its cells; null when it has none. */
  readonly mark: number | null;
  readonly name: string;
  /** Its rate while it delivers, else how it stands and why. */
  readonly detail: string;
  /** It is not used at present, or never again. */
  readonly out: boolean;
  readonly size: string;
}

export interface CellView {
  readonly mark: number | null;
  readonly full: boolean;
}

export interface CardView {
  readonly name: string;
  readonly phase: Phase;
  readonly tone: Tone;
  readonly state: string;
  /** At the end of the state's line: the time left. */
  readonly aside: string;
  readonly note: string;
  /** Whole percent, and the same for the ear; null: there is nothing to measure. */
  readonly bar: { readonly percent: number; readonly text: string } | null;
  readonly amount: string;
  readonly rate: string;
  readonly map: { readonly label: string; readonly columns: number; readonly cells: readonly CellView[] } | null;
  readonly summary: string;
  readonly sources: readonly SourceView[];
  readonly proof: { readonly sha256: string; readonly signer: string; readonly signerNote: string } | null;
  /** The code of what went wrong, for whoever reports it. */
  readonly code: string;
  readonly plainLink: { readonly label: string; readonly note: string } | null;
  /** Whether the question about donors is put. */
  readonly asks: boolean;
  /** How the switch stands; null: there is none. */
  readonly mirrorsOnly: boolean | null;
  readonly buttons: readonly ButtonView[];
}

/** What is around a download and never changes. */
export interface Surroundings {
  readonly words: Words;
  /** Host of the coordinator. */
  readonly coordinator: string;
  /** Host of the plain link. */
  readonly linkHost: string;
}

/** Rows of sources that have delivered nothing; a file may have 64 mirrors. */
const IDLE_ROWS_MAX = 6;

const RUNNING: ReadonlySet<Phase> = new Set(["preparing", "downloading", "paused", "checking", "saving", "no_room"]);
const DELIVERED: ReadonlySet<Phase> = new Set(["verified", "save_waits", "saved"]);
const MOVING: ReadonlySet<Phase> = new Set(["downloading", "elsewhere"]);
const FAILED: ReadonlySet<Phase> = new Set(["stopped", "followed"]);

const BUTTONS: Readonly<Record<Phase, readonly ButtonView[]>> = {
  preparing: [{ action: "cancel", label: "cancel" }],
  downloading: [
    { action: "pause", label: "pause" },
    { action: "cancel", label: "cancel" },
  ],
  paused: [
    { action: "resume", label: "resume", primary: true },
    { action: "cancel", label: "cancel" },
  ],
  checking: [{ action: "cancel", label: "cancel" }],
  saving: [{ action: "dismiss", label: "dismiss" }], // too late to cancel
  no_room: [
    { action: "choose", label: "choose", primary: true },
    { action: "dismiss", label: "dismiss" },
  ],
  verified: [],
  save_waits: [
    { action: "save", label: "save", primary: true },
    { action: "dismiss", label: "dismiss" },
  ],
  saved: [
    { action: "save", label: "save_again" },
    { action: "dismiss", label: "dismiss" },
  ],
  unchecked: [{ action: "dismiss", label: "dismiss" }],
  stopped: [{ action: "dismiss", label: "dismiss" }],
  followed: [{ action: "dismiss", label: "dismiss" }],
  elsewhere: [{ action: "dismiss", label: "dismiss" }],
  cancelled: [{ action: "dismiss", label: "dismiss" }],
};

/** The whole view. */
export function viewOf(state: CardState, map: SegmentMap, around: Surroundings): CardView {
  const { words } = around;
  const { phase, sizeBytes, progress, peers, proof, code } = state;
  const running = RUNNING.has(phase);
  const going = running || phase === "elsewhere";
  const delivered = DELIVERED.has(phase);
  const moving = MOVING.has(phase) && sizeBytes !== null;
  const percent = percentOf(state);
  const left = moving ? words.timeLeft(sizeBytes - progress.receivedBytes, progress.rateBytesPerS) : undefined;
  const rate = moving && progress.rateBytesPerS > 0 ? words.rate(progress.rateBytesPerS) : "";
  const amount = amountOf(state, words);
  const shownPercent = words.percent(percent);
  const failed = FAILED.has(phase);
  const sources = going || delivered || failed ? sourcesOf(state, words) : [];
  return {
    name: state.name,
    phase,
    tone: phase === "stopped" ? "bad" : !delivered ? "plain" : proof?.pinned === true ? "good" : "fair",
    state: headline(state, around),
    aside: left === undefined ? "" : words.say("time_left", { time: left }),
    note: noteOf(state, around),
    bar: !going
      ? null
      : {
          percent,
          text:
            amount === ""
              ? words.say("preparing")
              : left === undefined
                ? words.say("progress", { percent: shownPercent, amount })
                : words.say("progress_left", { percent: shownPercent, amount, rate, time: left }),
        },
    amount: going && amount !== "" ? words.say("progress", { percent: shownPercent, amount }) : "",
    rate,
    map: (running || delivered) && sizeBytes !== null ? mapOf(state, map, words) : null,
    summary: summaryOf(state, words),
    sources,
    proof:
      proof === null
        ? null
        : {
            sha256: proof.sha256,
            signer: proof.signer,
            signerNote: words.say(proof.pinned ? "signer_pinned" : "signer_unknown"),
          },
    code: code === null ? "" : words.say("code", { code }),
    plainLink:
      failed || phase === "no_room"
        ? { label: words.say("plain_link", { host: around.linkHost }), note: words.say("plain_link_note") }
        : null,
    asks: running && peers === "ask",
    mirrorsOnly: running && (peers === "on" || peers === "off") ? peers === "off" : null,
    buttons: BUTTONS[phase],
  };
}

/** How it stands, in a few words. */
export function headline({ phase, progress, proof }: CardState, { words, coordinator }: Surroundings): string {
  if (DELIVERED.has(phase))
    return proof?.pinned === true ? words.say("verified") : words.say("listed", { coordinator });
  if (phase === "downloading" && progress.rateBytesPerS === 0) return words.say("waiting");
  // as: the phases that are left are keys of the same name
  return words.say(phase as Exclude<Phase, "verified" | "save_waits" | "saved">);
}

/** What that means, and what comes of it; empty where the headline says it all. */
export function noteOf({ phase, proof, code }: CardState, { words, coordinator }: Surroundings): string {
  if (DELIVERED.has(phase)) {
    const meaning = proof?.pinned === true ? words.say("verified_note") : words.say("listed_note", { coordinator });
    return phase === "verified" ? meaning : `${meaning} ${words.say(phase === "saved" ? "saved" : "save_waits")}`;
  }
  if (phase === "stopped") return whyOf(code, words);
  if (phase === "followed") return `${whyOf(code, words)} ${words.say("followed_note")}`;
  if (phase === "cancelled" && code !== null) return "";
  switch (phase) {
    case "paused":
    case "saving":
    case "unchecked":
    case "no_room":
    case "elsewhere":
    case "cancelled":
      return words.say(`${phase}_note`);
    default:
      return "";
  }
}

function whyOf(code: string | null, words: Words): string {
  const otherwise = code?.startsWith("manifest_") === true ? "why_manifest" : "why_other";
  return words.find(`why_${code ?? ""}`) ?? words.say(otherwise);
}

function amountOf({ sizeBytes, progress }: CardState, words: Words): string {
  if (sizeBytes === null) return "";
  return words.say("amount", { received: words.size(progress.receivedBytes), size: words.size(sizeBytes) });
}

function summaryOf({ progress }: CardState, words: Words): string {
  const count = (kind: SourceProgress["kind"]) =>
    progress.sources.filter((source) => source.kind === kind && source.bytes > 0).length;
  const mirrors = count("mirror");
  const donors = count("peer");
  const parts = [
    ...(mirrors > 0 ? [words.say("mirrors", { count: mirrors })] : []),
    ...(donors > 0 ? [words.say("donors", { count: donors })] : []),
  ];
  return parts.length === 0 ? words.say("no_sources") : words.say("sources", { sources: words.list(parts) });
}

/** The mark of a source; null when it has sent nothing. */
function markOf({ marked }: CardState, { id, bytes }: SourceProgress): number | null {
  const at = marked.indexOf(id);
  if (at >= 0) return at + 1;
  return bytes > 0 ? OTHERS_MARK : null;
}

function sourcesOf(state: CardState, words: Words): readonly SourceView[] {
  const { progress, marked, phase } = state;
  const byId = new Map(progress.sources.map((source) => [source.id, source]));
  const own = marked.flatMap((id) => byId.get(id) ?? []);
  const others = progress.sources.filter((source) => markOf(state, source) === OTHERS_MARK);
  // A donor that has sent nothing yet is nobody's business; a mirror is one that the publisher named.
  const idle = progress.sources
    .filter((source) => source.bytes === 0 && (source.kind === "mirror" || isBanned(source)))
    .sort((left, right) => Number(right.problem !== null) - Number(left.problem !== null));
  const rowOf = (source: SourceProgress): SourceView => ({
    mark: markOf(state, source),
    name: nameOf(source, words),
    detail: detailOf(source, words, phase),
    out: source.state !== "ready",
    size: source.bytes > 0 ? words.size(source.bytes) : "",
  });
  const rows = own.map(rowOf);
  for (const [kind, key] of [
    ["mirror", "more_mirrors"],
    ["peer", "more_donors"],
  ] as const) {
    const group = others.filter((source) => source.kind === kind);
    if (group.length > 0) rows.push(together(words.say(key, { count: group.length }), group, words, MOVING.has(phase)));
  }
  rows.push(...idle.slice(0, IDLE_ROWS_MAX).map(rowOf));
  if (progress.keptBytes > 0) {
    rows.push({
      mark: KEPT_MARK,
      name: words.say("kept_here"),
      detail: "",
      out: false,
      size: words.size(progress.keptBytes),
    });
  }
  return rows;
}

function together(name: string, group: readonly SourceProgress[], words: Words, moving: boolean): SourceView {
  const sum = (of: (source: SourceProgress) => number) => group.reduce((total, source) => total + of(source), 0);
  const rateBytesPerS = sum((source) => source.rateBytesPerS);
  return {
    mark: OTHERS_MARK,
    name,
    detail: moving && rateBytesPerS > 0 ? words.rate(rateBytesPerS) : "",
    out: false,
    size: words.size(sum((source) => source.bytes)),
  };
}

/** A mirror is called by its host, a donor by its number: its address is nobody's business. */
function nameOf({ id, kind }: SourceProgress, words: Words): string {
  return kind === "mirror" ? new URL(id).host : words.say("donor", { number: /\d*$/.exec(id)?.[0] ?? "" });
}

function isBanned({ state }: SourceProgress): boolean {
  return state === "banned";
}

/**
 * At the end it matters who gave how much, and who lied; no more who was fast, or left when nothing was to do. Where nothing
 * came of it, it matters why nobody delivered.
 */
function detailOf(source: SourceProgress, words: Words, phase: Phase): string {
  const { state, rateBytesPerS, problem } = source;
  const moving = MOVING.has(phase);
  if (state === "banned" || state === "excluded" || (state === "probation" && (moving || FAILED.has(phase))))
    return words.say(`state_${state}`, { problem: problemOf(problem, words) });
  if (!moving) return "";
  if (state === "removed") return words.say("state_removed");
  return rateBytesPerS > 0 ? words.rate(rateBytesPerS) : source.bytes === 0 ? words.say("state_ready") : "";
}

function problemOf(problem: string | null, words: Words): string {
  const code = problem ?? "";
  return words.find(`problem_${code}`) ?? words.say("problem_other", { code });
}

function mapOf(state: CardState, map: SegmentMap, words: Words): CardView["map"] {
  const { progress, sizeBytes } = state;
  const marks = progress.sources.map((source) => markOf(state, source));
  const share = (bytes: number) => words.percent(Math.round((100 * bytes) / Math.max(1, sizeBytes ?? 0)));
  const parts = progress.sources
    .filter(({ id }) => state.marked.includes(id))
    .map((source) => words.say("map_share", { percent: share(source.bytes), source: nameOf(source, words) }));
  const missingBytes = (sizeBytes ?? 0) - progress.receivedBytes;
  if (missingBytes > 0) parts.push(words.say("map_missing", { percent: share(missingBytes) }));
  return {
    label: words.say("map", { shares: words.list(parts) }),
    columns: map.columns,
    cells: map.cells().map(({ sender, full }) => ({
      mark: sender === null ? null : sender === KEPT ? KEPT_MARK : (marks[sender] ?? OTHERS_MARK),
      full,
    })),
  };
}

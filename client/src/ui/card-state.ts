/**
 * What is known of one download in the panel: events in, the next state out, nothing else.
 *
 * The view (card-view.ts) is made from this alone, so all that the panel can show is found by feeding events.
 */

import type { ErrorCode } from "../wire/messages.ts";
import type { Progress } from "../worker/messages.ts";

/** Whether donors may be asked; `ask`: the visitor has yet to say so; `never`: the page does not offer it. */
export type PeersChoice = "on" | "ask" | "off" | "never";

/** What a verified file can be held against. */
export interface Proof {
  /** Of the whole file, hexadecimal. */
  readonly sha256: string;
  /** The key that signed it. */
  readonly signer: string;
  /** Whether the page names that key as the publisher's. */
  readonly pinned: boolean;
}

export type CardEvent =
  /** The manifest is right. */
  | { readonly type: "found"; readonly name: string; readonly sizeBytes: number; readonly segments: number }
  /** Bytes are about to come; again, when the file begins anew in another place. */
  | { readonly type: "started"; readonly progress: Progress }
  /** Comes about four times a second. */
  | { readonly type: "progressed"; readonly progress: Progress }
  | { readonly type: "paused" | "resumed" }
  /** With a code when it was ended in the browser's own list: what an earlier visit stored is kept then. */
  | { readonly type: "cancelled"; readonly code: ErrorCode | null }
  | { readonly type: "peers_chosen"; readonly allowed: boolean }
  /** The file is all there and right. */
  | { readonly type: "verified"; readonly proof: Proof }
  /** All places are full, and the visitor can choose one: until then nothing is asked for. */
  | { readonly type: "no_room" }
  /** All segments are right, the browser saves the file, and the digest of the whole is still to come. */
  | { readonly type: "saving" }
  /** The browser wants a click before it saves the verified file. */
  | { readonly type: "save_waits" }
  /** The file was handed to the browser's downloads. */
  | { readonly type: "saved" }
  /** It was handed over, and the digest of the whole cannot be had. */
  | { readonly type: "unchecked"; readonly code: ErrorCode }
  /** Bytes or signatures are wrong: it stopped, and the plain link is a choice. */
  | { readonly type: "stopped"; readonly code: ErrorCode }
  /** Something of ours was missing, and the browser follows the link now. */
  | { readonly type: "followed"; readonly code: ErrorCode }
  /** The same file is on its way in another tab, whose progress is told here. */
  | { readonly type: "elsewhere" };

export type Phase =
  | "preparing"
  | "downloading"
  | "paused"
  | "checking"
  | "saving"
  | "no_room"
  | "verified"
  | "save_waits"
  | "saved"
  | "unchecked"
  | "stopped"
  | "followed"
  | "elsewhere"
  | "cancelled";

export interface CardState {
  readonly phase: Phase;
  /** The link's last word until the manifest says the right one. */
  readonly name: string;
  /** Null before the manifest is there. */
  readonly sizeBytes: number | null;
  readonly segments: number;
  readonly progress: Progress;
  readonly peers: PeersChoice;
  /** Ids of sources with a mark of their own on the map, in the order of their first verified byte. */
  readonly marked: readonly string[];
  readonly proof: Proof | null;
  /** Why it stopped, or the link was followed. */
  readonly code: ErrorCode | null;
}

/** Sources that have a mark of their own: more cannot be told apart at the size of a cell. */
export const MARKS_MAX = 7;

export function firstState(name: string, peers: PeersChoice): CardState {
  const progress: Progress = { receivedBytes: 0, keptBytes: 0, rateBytesPerS: 0, sources: [] };
  return {
    phase: "preparing",
    name,
    sizeBytes: null,
    segments: 0,
    progress,
    peers,
    marked: [],
    proof: null,
    code: null,
  };
}

/** The state after an event. */
export function nextState(state: CardState, event: CardEvent): CardState {
  switch (event.type) {
    case "found":
      return {
        ...state,
        phase: "downloading",
        name: event.name,
        sizeBytes: event.sizeBytes,
        segments: event.segments,
      };
    case "started":
      return progressed({ ...state, phase: state.phase === "paused" ? "paused" : "downloading" }, event.progress);
    case "progressed":
      return progressed(state, event.progress);
    case "resumed":
      return { ...state, phase: "downloading" };
    case "peers_chosen":
      return { ...state, peers: event.allowed ? "on" : "off" };
    case "verified":
      return { ...state, phase: "verified", proof: event.proof };
    case "unchecked":
    case "stopped":
    case "followed":
    case "cancelled":
      return { ...state, phase: event.type, code: event.code };
    default:
      return { ...state, phase: event.type };
  }
}

function progressed(state: CardState, progress: Progress): CardState {
  const marked = [...state.marked];
  for (const { id, bytes } of progress.sources) {
    if (bytes > 0 && marked.length < MARKS_MAX && !marked.includes(id)) marked.push(id);
  }
  const running = state.phase === "downloading" || state.phase === "paused";
  const phase = running && progress.receivedBytes === state.sizeBytes ? "checking" : state.phase;
  return { ...state, phase, progress, marked };
}

/** Whole percent of what is there, never 100 before all is. */
export function percentOf({ sizeBytes, progress, proof }: CardState): number {
  if (proof !== null || sizeBytes === 0) return 100;
  return sizeBytes === null ? 0 : Math.floor((100 * progress.receivedBytes) / sizeBytes);
}

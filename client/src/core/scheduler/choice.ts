/**
 * Which range a source gets next, while there is work that nobody does (S4, S6 to S9, S13).
 *
 * Pure: reads the ledger and the sources, changes nothing. What happens when nothing is open is in endgame.ts.
 */

import { Backlog, openBytes } from "./backlog.ts";
import type { Settings } from "./config.ts";
import { coverage, cut, type Piece } from "./coverage.ts";
import { divide, divideUp, multiplyDivide } from "./exact.ts";
import { alignDown, alignUp, ascending, type Ledger } from "./ledger.ts";
import type { Request } from "./requests.ts";
import type { Source } from "./sources.ts";
import { BALANCED_PATIENCE, MICROS_PER_S, STEAL_AFTER_US } from "./tuning.ts";

/** A decision: what a source does next. */
export type Pick =
  /** Start a request for `[start, end)`, which is open. */
  | { readonly kind: "start"; readonly start: number; readonly end: number }
  /** Shorten `victim` to `start`, then start a request for `[start, end)`. */
  | { readonly kind: "steal"; readonly start: number; readonly end: number; readonly victim: Request }
  /** Shorten `rival` to `end` if it is longer, then start a request for `[start, end)` that races it. */
  | {
      readonly kind: "hedge";
      readonly start: number;
      readonly end: number;
      readonly rival: Request;
      /** Is `rival` so slow that its source is put on probation when it loses? */
      readonly forSlowness: boolean;
    }
  /** Cancel a stalled or slow request and forget what is there of its segment; nothing is started. */
  | { readonly kind: "drop"; readonly victim: Request };

/** What a choice looks at, at one moment. */
export class Outlook {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly nowUs: number;
  readonly ready: readonly Source[];
  readonly #elapsedUs: number;
  readonly #heldUpUs: number;
  #peers: readonly Source[] | null = null;
  #pieces: readonly Piece[] | null = null;

  /**
   * @param sources all sources in the order of `SourceAdded`.
   * @param startedUs when the download began.
   * @param heldUpUs until when our own memory held the sources up, last.
   */
  constructor(
    settings: Settings,
    ledger: Ledger,
    sources: readonly Source[],
    nowUs: number,
    startedUs: number,
    heldUpUs: number,
  ) {
    this.settings = settings;
    this.ledger = ledger;
    this.nowUs = nowUs;
    this.ready = sources.filter((source) => source.state === "ready");
    this.#elapsedUs = nowUs - startedUs;
    this.#heldUpUs = heldUpUs;
  }

  /** Ready peers that deliver. */
  get peers(): readonly Source[] {
    this.#peers ??= this.ready.filter(
      (source) => source.kind === "peer" && !source.requests.some((request) => request.stalled),
    );
    return this.#peers;
  }

  /** How many of them hold what. */
  get pieces(): readonly Piece[] {
    this.#pieces ??= coverage(
      this.ledger.segments,
      this.peers.map((peer) => peer.holdings),
    );
    return this.#pieces;
  }

  /** Ready sources: peers before mirrors, those that hold little first (S8). */
  inOrderOfChoice(): readonly Source[] {
    const held = (source: Source): number => source.holdings?.total ?? this.ledger.segments;
    return [...this.ready].sort(
      (a, b) => Number(a.kind === "mirror") - Number(b.kind === "mirror") || held(a) - held(b) || a.ordinal - b.ordinal,
    );
  }

  /** Is no other source ready? */
  isSole(source: Source): boolean {
    return this.ready.every((other) => other === source);
  }

  /** Is there a ready source that may deliver a piece of segment `index` (S13)? */
  canBeMixedByOthers(index: number, ...besides: readonly Source[]): boolean {
    return this.ready.some((other) => !besides.includes(other) && !other.suspected && other.holds(index, index + 1));
  }

  /** How long it has brought no byte, though it could; 0 while that tells nothing (S10). */
  silentUs(request: Request): number {
    const silentUs = this.nowUs - Math.max(request.lastByteUs, this.#heldUpUs);
    return silentUs < STEAL_AFTER_US ? 0 : silentUs;
  }

  /** How long the ready peers need for all that they hold. */
  peersNeedUs(): number {
    let rate = 0;
    let covered = 0;
    for (const peer of this.peers) {
      rate += peer.rate.at(this.nowUs) ?? 0;
      for (const request of peer.requests) covered += request.remainingBytes;
    }
    for (const piece of this.pieces) if (piece.holders > 0) covered += openBytes(this.ledger, piece);
    return rate === 0 ? Infinity : multiplyDivide(covered, MICROS_PER_S, rate);
  }

  /** May mirrors fetch what peers hold that need so long for it (S9)? */
  isPatienceOver(neededUs: number): boolean {
    if (this.settings.policy === "fast" || this.peers.length === 0) return true;
    return this.settings.policy !== "spare-mirrors" && neededUs * BALANCED_PATIENCE > this.#elapsedUs;
  }
}

/** Has this ready source a slot for one more request now (S6)? */
export function canTakeMore(outlook: Outlook, source: Source): boolean {
  const { requests, host } = source;
  if (host.requests.length >= host.connectionsMax) return false;
  if (requests.length >= source.slots || outlook.ledger.requests.size >= outlook.settings.maxOpenRequests) return false;
  if (requests.some((request) => request.stalled)) return outlook.isSole(source);
  return freeLanes(outlook, source) > 0;
}

/** Work that nobody does: solo segments, then pieces of segments, then runs of whole ones. */
export function chooseOpenWork(outlook: Outlook, source: Source): Pick | null {
  return chooseSolo(outlook, source) ?? chooseFragment(outlook, source) ?? chooseRun(outlook, source);
}

/** How many segments a request to this source should have, 1 or more (S7). */
export function requestSegments(outlook: Outlook, source: Source): number {
  const { firstRequestBytes, segmentSizeBytes } = outlook.settings;
  const rate = source.rate.at(outlook.nowUs);
  if (rate === null) return divideUp(firstRequestBytes, segmentSizeBytes);
  let total = 0;
  for (const other of outlook.ready) total += other.rate.at(outlook.nowUs) ?? 0;
  const share = multiplyDivide(outlook.ledger.windowLeftBytes, rate, total);
  const horizon = multiplyDivide(rate, source.horizonUs(), MICROS_PER_S);
  return Math.max(1, divide(Math.min(horizon, share), lanes(source) * segmentSizeBytes));
}

function lanes(source: Source): number {
  return Math.max(1, Math.min(source.slots, source.host.connectionsMax) - 1);
}

function freeLanes(outlook: Outlook, source: Source): number {
  return lanes(source) - source.requests.filter((request) => !request.isEnding(outlook.nowUs)).length;
}

function chooseSolo(outlook: Outlook, source: Source): Pick | null {
  const { ledger } = outlook;
  for (const index of ascending(ledger.soloOpen)) {
    if (!source.holds(index, index + 1) || !ledger.hasRoom(index)) continue;
    const senders = ledger.solo.get(index) ?? new Set();
    const others = outlook.ready.some(
      (other) => !senders.has(other.sourceId) && other.holds(index, index + 1) && canTakeMore(outlook, other),
    );
    if (senders.has(source.sourceId) && others) continue;
    return { kind: "start", start: ledger.startOf(index), end: ledger.endOf(index) };
  }
  return null;
}

/** An open piece of a segment; for a suspect, who must not mix, all of it if nobody else can go on with it. */
function chooseFragment(outlook: Outlook, source: Source): Pick | null {
  const { ledger } = outlook;
  for (const [low, high] of ledger.fragments()) {
    const index = ledger.segmentAt(low);
    let start = alignDown(low);
    let end = Math.min(alignUp(high), ledger.endOf(index));
    if (source.suspected) {
      if (outlook.canBeMixedByOthers(index, source)) continue;
      start = ledger.startOf(index);
      end = ledger.endOf(index);
    }
    if (source.holds(index, index + 1) && ledger.hasRoom(index) && !ledger.isFetched(start, end)) {
      return { kind: "start", start, end };
    }
  }
  return null;
}

function chooseRun(outlook: Outlook, source: Source): Pick | null {
  const { ledger } = outlook;
  for (const { piece, segmentsMax } of piecesFor(outlook, source)) {
    for (const [first, end] of cut(piece, source.holdings)) {
      const run = ledger.wholeRun(first, end);
      if (run === null) continue;
      const [runFirst, runEnd] = run;
      if (!ledger.hasRoom(runFirst)) return null;
      const wanted = isSoleAndAtWork(outlook, source)
        ? soleSegments(outlook, source, runEnd - runFirst)
        : requestSegments(outlook, source);
      const count = Math.min(wanted, segmentsMax);
      return {
        kind: "start",
        start: ledger.startOf(runFirst),
        end: ledger.endOf(Math.min(runEnd, runFirst + count) - 1),
      };
    }
  }
  return null;
}

/** Does everything hang on this source, and has it shown that it delivers? Then it gets long requests (S7). */
function isSoleAndAtWork(outlook: Outlook, source: Source): boolean {
  return outlook.isSole(source) && source.receivedBytes > 0 && source.finishedInARow + source.requests.length > 0;
}

/** How many segments of a run of `run` a request to such a source should have (S7). */
function soleSegments(outlook: Outlook, source: Source, run: number): number {
  const count = lanes(source);
  if (count === 1) return run;
  const { maxInFlightBytes, segmentSizeBytes } = outlook.settings;
  return Math.min(divideUp(run, count), Math.max(1, divide(maxInFlightBytes, count * segmentSizeBytes)));
}

/** Where to look for work, and how many segments may be taken there. */
interface Place {
  readonly piece: Piece;
  readonly segmentsMax: number;
}

/** The pieces in the order in which `source` looks for work, and how many segments it may take of each (S8). */
function piecesFor(outlook: Outlook, source: Source): readonly Place[] {
  const { ledger, pieces, settings } = outlook;
  const all = (piece: Piece): Place => ({ piece, segmentsMax: ledger.segments });
  if (source.kind === "peer") return pieces.map(all);
  if (settings.policy === "fast") return [all({ holders: 0, first: 0, end: ledger.segments })];
  const bare = pieces.filter((piece) => piece.holders === 0);
  const covered = pieces.filter((piece) => piece.holders > 0);
  if (covered.length === 0 || bare.some((piece) => ledger.wholeRun(piece.first, piece.end) !== null)) {
    return bare.map(all);
  }
  if (!outlook.isPatienceOver(outlook.peersNeedUs())) return [];
  const backlog = new Backlog(ledger, outlook.ready, outlook.peers, covered, outlook.nowUs);
  return covered
    .map((piece) => ({ piece, excess: backlog.excessBytes(piece), perHolder: backlog.bytesPerHolder(piece) }))
    .sort((a, b) => b.excess - a.excess || b.perHolder - a.perHolder || a.piece.first - b.piece.first)
    .map(({ piece, excess }) => ({ piece, segmentsMax: Math.max(1, divide(excess, ledger.segmentSizeBytes)) }));
}

/**
 * A donor as a {@link Source} of a download: the glue between the scheduler's byte ranges, which may span segments, and
 * the peer protocol, which asks for parts of one segment at a time.
 *
 * Rules:
 * - A range is asked for segment by segment, at most {@link AHEAD} segments ahead of the one that is coming.
 * - The sink gets the bytes in order. The donor answers in order as a rule; what comes early waits, and since it is not
 *   `processed` it keeps the window closed: no more than a window waits.
 * - The sink's memory is the limit as well: until it has room, bytes wait in their messages and the window stays closed.
 * - Stalls are the scheduler's business: it cancels, and asks elsewhere.
 */

import type { SegmentLayout } from "../core/segment-layout.ts";
import { PeerTaker, type TakerAction } from "../core/peer-taker.ts";
import type { Frame } from "../wire/frames.ts";
import type { ErrorCode } from "../wire/messages.ts";
import { receiptMac } from "../wire/proofs.ts";
import { Deadline } from "./clock.ts";
import type { LinkWorld, PeerLink, Proofs } from "./peer-link.ts";
import type { RequestOutcome, RequestSink, Source } from "./source.ts";

/** Segments asked for ahead: 8 gained nothing over 4 (measurements, part 4). */
const AHEAD = 4;

/** The file as a peer source needs it. */
export interface PeerFile {
  readonly layout: SegmentLayout;
  /** The checked segment list: 32 bytes for each segment. */
  readonly segmentList: Uint8Array;
}

export interface PeerSourceEvents {
  /** The donor proved itself. Bytes may come from now on. */
  greeted(): void;
  /** The donor proved itself and told what it holds, or holds something else now: half-open ranges of indices. */
  holdings(ranges: readonly (readonly [number, number])[]): void;
  /** The channel is over. Requests that were open have failed before. */
  closed(code: ErrorCode): void;
}

/** A range that the scheduler asked for. */
interface OpenRange {
  readonly sink: RequestSink;
  readonly outcome: RequestOutcome;
  /** Where the next bytes that the sink takes are, in the file. */
  nextByte: number;
  /** Where the next part to be asked for begins. */
  askByte: number;
  endByte: number;
  /** Peer requests of this range that have not ended. */
  readonly parts: Set<number>;
  /** Bytes that came and wait for the sink, by their place in the file. */
  readonly waiting: Map<number, Uint8Array>;
  pumping: boolean;
}

export class PeerSource implements Source {
  readonly #link: PeerLink;
  readonly #world: LinkWorld;
  readonly #file: PeerFile;
  readonly #taker: PeerTaker;
  readonly #receiptSecret: Uint8Array;
  readonly #matchId: Uint8Array;
  readonly #events: PeerSourceEvents;
  readonly #deadline: Deadline;
  readonly #ranges = new Map<number, OpenRange>();
  /** Peer request to the scheduler's request and the segment's first byte. */
  readonly #parts = new Map<number, { readonly range: OpenRange; readonly segmentStart: number }>();
  /** Receipts that are being made; what is to be sent after one waits for it. */
  #signing = 0;
  #signed: Promise<void> = Promise.resolve();
  #creditedBytes = 0;
  #over = false;

  /** @param receiptSecret keys the receipts, 32 bytes. */
  constructor(
    link: PeerLink,
    proofs: Proofs,
    receiptSecret: Uint8Array,
    file: PeerFile,
    world: LinkWorld,
    events: PeerSourceEvents,
  ) {
    this.#link = link;
    this.#world = world;
    this.#file = file;
    this.#receiptSecret = receiptSecret;
    this.#matchId = proofs.matchId;
    this.#events = events;
    this.#taker = new PeerTaker(proofs);
    this.#deadline = new Deadline(world.clock, () => {
      this.#perform(this.#taker.tick(this.#now()));
    });
  }

  /** Ranges that the scheduler asked for and that have not ended. */
  get openRanges(): number {
    return this.#ranges.size;
  }

  /** The shortest round trip to the donor so far; undefined before it told what it holds, which is when it is known. */
  get roundTripMs(): number | undefined {
    return Math.floor(this.#taker.roundTripUs / 1000) || undefined;
  }

  /** The link's events, to be passed on by whoever owns the link. */
  opened(): void {
    this.#perform(this.#taker.opened(this.#now()));
  }

  frame(frame: Frame): void {
    this.#perform(this.#taker.receive(frame, this.#now()));
  }

  linkClosed(code: ErrorCode): void {
    this.#end(code);
  }

  /** So many bytes from this donor were found right, in all. */
  credited(bytesTotal: number): void {
    const more = bytesTotal - this.#creditedBytes;
    if (more <= 0) return;
    this.#creditedBytes = bytesTotal;
    this.#perform(this.#taker.verified(more, this.#now()));
  }

  start(requestId: number, startByte: number, endByte: number, sink: RequestSink, outcome: RequestOutcome): void {
    if (this.#over) {
      outcome.failed("peer_closed", true, null);
      return;
    }
    const range: OpenRange = {
      sink,
      outcome,
      nextByte: startByte,
      askByte: startByte,
      endByte,
      parts: new Set(),
      waiting: new Map(),
      pumping: false,
    };
    this.#ranges.set(requestId, range);
    this.#ask(range);
  }

  shorten(requestId: number, endByte: number): void {
    const range = this.#ranges.get(requestId);
    if (range === undefined || endByte >= range.endByte) return;
    range.endByte = endByte;
    for (const part of range.parts) {
      // A part that lies beyond the new end as a whole is not wanted; one that spans it is dropped by the sink.
      const asked = this.#parts.get(part);
      if (asked !== undefined && asked.segmentStart >= endByte) this.#cancelPart(range, part);
    }
    this.#pump(requestId, range);
  }

  cancel(requestId: number): void {
    const range = this.#ranges.get(requestId);
    if (range === undefined) return;
    this.#ranges.delete(requestId);
    this.#forget(range);
  }

  /** Says goodbye, with a last receipt. */
  close(): void {
    this.#perform(this.#taker.leave());
  }

  #now(): number {
    return this.#world.clock.nowUs();
  }

  /** Asks for the next parts of a range, as far ahead as is allowed. */
  #ask(range: OpenRange): void {
    const { layout, segmentList } = this.#file;
    while (range.askByte < range.endByte && range.parts.size < AHEAD && !this.#over) {
      const index = layout.indexAt(range.askByte);
      const segmentStart = layout.startOf(index);
      const end = Math.min(layout.endOf(index), range.endByte);
      const digest = segmentList.subarray(32 * index, 32 * index + 32);
      const length = end - range.askByte;
      const { requestId, actions } = this.#taker.request(digest, range.askByte - segmentStart, length, this.#now());
      range.parts.add(requestId);
      this.#parts.set(requestId, { range, segmentStart });
      range.askByte = end;
      this.#perform(actions);
    }
  }

  #cancelPart(range: OpenRange, part: number): void {
    range.parts.delete(part);
    this.#parts.delete(part);
    this.#perform(this.#taker.cancel(part, this.#now()));
  }

  /** Drops all that is left of a range. */
  #forget(range: OpenRange): void {
    for (const part of [...range.parts]) this.#cancelPart(range, part);
    let waitingBytes = 0;
    for (const bytes of range.waiting.values()) waitingBytes += bytes.length;
    range.waiting.clear();
    if (waitingBytes > 0) this.#perform(this.#taker.processed(waitingBytes, this.#now()));
  }

  #perform(actions: readonly TakerAction[]): void {
    for (const action of actions) {
      switch (action.type) {
        case "send":
          this.#send(action.frame);
          break;
        case "sign_receipt":
          this.#sign(action.bytesTotal);
          break;
        case "holdings":
          this.#events.holdings(this.#ofFile(action.runs));
          break;
        case "deliver":
          this.#deliver(action.requestId, action.offset, action.payload);
          break;
        case "completed":
          this.#partEnded(action.requestId);
          break;
        case "refused":
          this.#refused(action.requestId, action.code);
          break;
        case "close":
          this.#finish(action.code, action.byPeer);
          break;
        case "greeted":
          this.#events.greeted();
          break;
      }
    }
    this.#deadline.set(this.#over ? undefined : this.#taker.nextDeadlineUs());
  }

  /** Runs as ranges; what the donor claims beyond the end of the file is not there. */
  #ofFile(runs: readonly (readonly [start: number, count: number])[]): (readonly [number, number])[] {
    const { count: segments } = this.#file.layout;
    return runs
      .filter(([start]) => start < segments)
      .map(([start, count]) => [start, Math.min(segments, start + count)] as const);
  }

  #send(frame: Frame): void {
    if (this.#signing === 0) this.#link.send(frame);
    else this.#afterReceipts(() => this.#link.send(frame));
  }

  #sign(bytesTotal: number): void {
    this.#signing += 1;
    const made = receiptMac(this.#world.hmac, this.#receiptSecret, { matchId: this.#matchId, bytesTotal });
    this.#signed = this.#signed.then(async () => {
      const mac = await made;
      this.#signing -= 1;
      this.#link.send({ kind: "receipt", bytesTotal, mac });
    });
  }

  #afterReceipts(run: () => void): void {
    this.#signed = this.#signed.then(run);
  }

  #deliver(part: number, offset: number, payload: Uint8Array): void {
    const asked = this.#parts.get(part);
    if (asked === undefined) {
      // Of a range that was cancelled in this very round of actions.
      this.#perform(this.#taker.processed(payload.length, this.#now()));
      return;
    }
    asked.range.waiting.set(asked.segmentStart + offset, payload);
    this.#pumpRange(asked.range);
  }

  #partEnded(part: number): void {
    const asked = this.#parts.get(part);
    if (asked === undefined) return;
    this.#parts.delete(part);
    asked.range.parts.delete(part);
    this.#ask(asked.range);
  }

  #refused(part: number, code: ErrorCode): void {
    const range = this.#parts.get(part)?.range;
    this.#parts.delete(part);
    if (range === undefined) return;
    range.parts.delete(part);
    const requestId = this.#requestOf(range);
    if (requestId === undefined) return;
    this.#ranges.delete(requestId);
    this.#forget(range);
    range.outcome.failed(code, false, null);
  }

  #requestOf(range: OpenRange): number | undefined {
    for (const [requestId, open] of this.#ranges) if (open === range) return requestId;
    return undefined;
  }

  #pumpRange(range: OpenRange): void {
    const requestId = this.#requestOf(range);
    if (requestId !== undefined) this.#pump(requestId, range);
  }

  /** Moves waiting bytes into the sink as it has room for them. */
  #pump(requestId: number, range: OpenRange): void {
    if (range.pumping) return;
    this.#move(requestId, range).catch(() => {
      // The sink's owner has failed as a whole and tells so itself; nothing of this range is wanted any more.
      this.cancel(requestId);
    });
  }

  async #move(requestId: number, range: OpenRange): Promise<void> {
    range.pumping = true;
    try {
      for (;;) {
        if (this.#ranges.get(requestId) !== range) return;
        if (range.nextByte >= range.endByte) break;
        const bytes = range.waiting.get(range.nextByte);
        if (bytes === undefined) return;
        const room = await range.sink.room();
        if (this.#ranges.get(requestId) !== range) return;
        range.waiting.delete(range.nextByte);
        // No room for ever: all of the range is there already, or the rest of it was given to somebody else.
        const taken = room === 0 ? bytes : bytes.subarray(0, room);
        if (room > 0) range.sink.write(taken);
        range.nextByte += taken.length;
        if (taken.length < bytes.length) range.waiting.set(range.nextByte, bytes.subarray(taken.length));
        this.#perform(this.#taker.processed(taken.length, this.#now()));
      }
    } finally {
      range.pumping = false; // before anybody else runs: what comes next must find it so
    }
    this.#ranges.delete(requestId);
    this.#forget(range);
    range.outcome.finished();
  }

  #finish(code: ErrorCode, byPeer: boolean): void {
    // A last receipt may still be in the making; it goes before the connection does.
    this.#afterReceipts(() => {
      if (byPeer) this.#link.close(code);
      else this.#link.finish(code);
    });
    this.#end(code);
  }

  #end(code: ErrorCode): void {
    if (this.#over) return;
    this.#over = true;
    this.#deadline.set(undefined);
    const ranges = [...this.#ranges.values()];
    this.#ranges.clear();
    this.#parts.clear();
    for (const range of ranges) range.outcome.failed(code, true, null);
    this.#events.closed(code);
  }
}

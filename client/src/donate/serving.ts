/**
 * Serves downloaders from the store, under the rate that the person allows.
 *
 * Rules:
 * - The rate counts the bytes of frames handed to channels, of all downloaders together; one token bucket, taken before
 *   the next frame is read.
 * - Whose turn it is, is fair by bytes (core/fair-turns.ts); a downloader whose grants or queue are used up has no turn.
 * - One frame is read at a time, just in time, into one buffer: slow downloaders hold no memory but their channel's queue,
 *   which their own grants bound.
 * - A segment that cannot be read is refused, not guessed.
 * - Whoever is served from a file that is withdrawn is let go at that word: erasing it takes a moment.
 * - Downloads first: a donor that fills itself from here gets nothing until no downloader was served for
 *   {@link FILL_WAITS_US}, and makes room for a downloader when all places are taken.
 */

import { FairTurns } from "../core/fair-turns.ts";
import { PeerGiver, type Chunk, type GiverAction } from "../core/peer-giver.ts";
import type { Runs } from "../core/runs.ts";
import { decodeBase64, encodeBase64 } from "../core/text.ts";
import { TokenBucket } from "../core/token-bucket.ts";
import { decodeSignal, type Complete } from "../wire/decode.ts";
import { codeOf } from "../wire/errors.ts";
import { DATA_HEADER_BYTES, ROLE_DONOR, writeDataHeader, type BYE_CODES } from "../wire/frames.ts";
import { FRAME_BYTES_GROWN, type ClientMessage, type ErrorCode, type Match } from "../wire/messages.ts";
import { Deadline } from "../transport/clock.ts";
import { PeerLink, QUEUE_HIGH_BYTES, type LinkWorld, type Proofs } from "../transport/peer-link.ts";
import type { RtcClient } from "../transport/rtc-client.ts";
import type { SessionMessage } from "../transport/session-client.ts";
import { TAKERS_MAX } from "./messages.ts";

/** What a donor serves from. */
export interface ServedStore {
  sizeOf(fileId: string, digest: string): number | undefined;
  holdings(fileId: string): Runs;
  read(digest: string, offset: number, target: Uint8Array<ArrayBuffer>): Promise<void>;
}

export interface ServingEvents {
  /** Bytes of payload were handed to a downloader; `first` of this introduction. */
  served(sizeBytes: number, first: boolean): void;
  /** Whether a frame of so many bytes may go out now; it is charged with that. */
  mayGive(frameBytes: number): Promise<boolean> | boolean;
  /** A stored segment of this file went bad and is gone. */
  lost(fileId: string): void;
}

/** Connections that come about take no longer than this, or are given up. */
const CONNECT_US = 15_000_000;

/** A downloader needs enough to stay above the stall that makes it leave: 64 KiB/s each. */
const TAKER_BYTES_PER_S = 65_536;

/** The pauses in which a downloader grants are shorter; filling in them would take half of the line. */
const FILL_WAITS_US = 1_000_000;

/** Receipts that wait to be forwarded: for their second, or for a session. */
const RECEIPTS_MAX = 256;

/** A downloader may write one for each byte; the coordinator would take that for a flood of ours. */
const RECEIPTS_EVERY_US = 1_000_000;

/** Introductions that wait for the downloader's offer. */
const UNOFFERED_MAX = 64;

/** How many downloaders a donor of this rate serves at a time, if the person allows `takersMax`. */
export function takersFor(upBytesPerS: number, takersMax: number): number {
  return Math.max(1, Math.min(TAKERS_MAX, takersMax, Math.floor(upBytesPerS / TAKER_BYTES_PER_S)));
}

interface Taker {
  readonly match: Complete<Match>;
  readonly link: PeerLink;
  readonly connect: Deadline;
  readonly deadline: Deadline;
  giver: PeerGiver | undefined;
  greeted: boolean;
}

export class Serving {
  readonly #store: ServedStore;
  readonly #rtc: RtcClient;
  readonly #world: LinkWorld;
  readonly #say: (message: ClientMessage) => boolean;
  readonly #events: ServingEvents;
  readonly #takers = new Map<string, Taker>();
  /** Introductions whose offer is to come, in their order. */
  readonly #unoffered = new Map<string, Complete<Match>>();
  readonly #turns = new FairTurns<Taker>();
  readonly #bucket: TokenBucket;
  readonly #alarm: Deadline;
  readonly #frame = new Uint8Array(FRAME_BYTES_GROWN);
  /** The latest receipt of each introduction that no session has taken yet. */
  readonly #receipts = new Map<string, ClientMessage>();
  #upBytesPerS: number;
  #takersMax: number;
  #paused = false;
  #sending = false;
  #downloadsUntilUs = 0;
  #forwardedUs = -RECEIPTS_EVERY_US;
  readonly #receiptTurn: Deadline;

  constructor(
    store: ServedStore,
    rtc: RtcClient,
    world: LinkWorld,
    upBytesPerS: number,
    takersMax: number,
    say: (message: ClientMessage) => boolean,
    events: ServingEvents,
  ) {
    this.#store = store;
    this.#rtc = rtc;
    this.#world = world;
    this.#upBytesPerS = upBytesPerS;
    this.#takersMax = takersMax;
    this.#say = say;
    this.#events = events;
    this.#bucket = new TokenBucket(upBytesPerS, burstBytes(upBytesPerS), world.clock.nowUs());
    this.#alarm = new Deadline(world.clock, () => {
      this.#wake();
    });
    this.#receiptTurn = new Deadline(world.clock, () => {
      this.forwardReceipts();
    });
  }

  /** Downloaders that proved their ticket and are connected. */
  get takers(): number {
    return [...this.#takers.values()].filter((taker) => taker.greeted).length;
  }

  /** While it is paused nobody is served: those who are there are let go. */
  setPaused(paused: boolean): void {
    if (paused && !this.#paused) this.closeAll(2);
    this.#paused = paused;
  }

  setLimits(upBytesPerS: number, takersMax: number): void {
    this.#upBytesPerS = upBytesPerS;
    this.#takersMax = takersMax;
    this.#bucket.change(upBytesPerS, burstBytes(upBytesPerS), this.#now());
    for (const { giver } of this.#takers.values()) giver?.setFrameBytesMax(frameBytesMax(upBytesPerS));
    this.#alarm.set(undefined);
    this.#wake();
  }

  /** What was not forwarded yet: its second is over, its introduction is, or a session is there again. */
  forwardReceipts(): void {
    this.#forwardedUs = this.#now();
    for (const [matchId, receipt] of [...this.#receipts]) if (this.#say(receipt)) this.#receipts.delete(matchId);
  }

  /** What the coordinator says of introductions; the rest is somebody else's. */
  heed(message: SessionMessage): void {
    switch (message.type) {
      case "match":
        if (message.role === "donor") this.#introduced(message);
        return;
      case "signal":
        this.#signalled(message.match_id, message.payload);
        return;
      case "match_ended":
        this.#matchEnded(message.match_id);
        return;
      case "withdrawn":
        this.#letGo((taker) => taker.match.file_id === message.file_id, 0);
        for (const [matchId, match] of [...this.#unoffered]) {
          if (match.file_id !== message.file_id) continue;
          this.#unoffered.delete(matchId);
          this.#say({ type: "match_report", match_id: matchId, outcome: "failed", code: "peer_closed" });
        }
        return;
      default:
    }
  }

  /** A downloader was introduced. */
  #introduced(match: Complete<Match>): void {
    const secret = decodeBase64(match.ticket.secret);
    const offer = match.offer ?? undefined;
    if (this.#paused) {
      this.#say({ type: "match_report", match_id: match.match_id, outcome: "failed", code: "over_budget" });
      return;
    }
    const isFull = this.#takers.size >= takersFor(this.#upBytesPerS, this.#takersMax);
    if (this.#takers.has(match.match_id) || (isFull && !this.#letFillGo(match))) {
      this.#say({ type: "match_report", match_id: match.match_id, outcome: "failed", code: "busy" });
      return;
    }
    if (secret === undefined) {
      this.#say({ type: "match_report", match_id: match.match_id, outcome: "failed", code: "message_malformed" });
      return;
    }
    if (offer === undefined && !match.make_offer) {
      this.#unoffered.set(match.match_id, match); // the downloader had none in stock: it comes as a signal
      const oldest = this.#unoffered.keys().next();
      if (this.#unoffered.size > UNOFFERED_MAX && oldest.done !== true) this.#unoffered.delete(oldest.value);
      return;
    }
    const expiresUs = this.#now() + match.ticket.valid_ms * 1_000;
    const signal = (payload: unknown) => {
      this.#say({ type: "signal", match_id: match.match_id, payload });
    };
    const link = new PeerLink(
      this.#rtc,
      ROLE_DONOR,
      this.#world,
      {
        offered: (sdp) => {
          signal({ kind: "offer", sdp });
        },
        signal,
        proven: (proofs) => {
          taker.giver = this.#giver(taker, proofs, expiresUs);
        },
        opened: () => {
          this.#perform(taker, taker.giver?.opened(this.#now()));
        },
        frame: (frame) => {
          this.#perform(taker, taker.giver?.receive(frame, this.#now()));
        },
        writable: () => {
          this.#wake();
        },
        closed: (code) => {
          this.#gone(taker, code);
        },
      },
      offer === undefined ? { offer: "urgent" } : { answer: offer },
    );
    const taker: Taker = {
      match,
      link,
      connect: new Deadline(this.#world.clock, () => {
        link.close("no_channel");
      }),
      deadline: new Deadline(this.#world.clock, () => {
        this.#perform(taker, taker.giver?.tick(this.#now()));
      }),
      giver: undefined,
      greeted: false,
    };
    taker.connect.set(this.#now() + CONNECT_US);
    this.#takers.set(match.match_id, taker);
    link.bind({ matchId: match.match_id, secret, peerNative: match.peer_native });
  }

  /** A donor that fills itself makes room for a download. */
  #letFillGo(match: Complete<Match>): boolean {
    const fill = [...this.#takers.values()].find((taker) => taker.match.fill);
    if (match.fill || fill === undefined) return false;
    if (fill.giver === undefined) fill.link.close("busy");
    else this.#perform(fill, fill.giver.leave(1));
    return true;
  }

  #signalled(matchId: string, payload: unknown): void {
    const taker = this.#takers.get(matchId);
    const unoffered = this.#unoffered.get(matchId);
    try {
      const signal = decodeSignal(payload);
      taker?.link.heed(signal);
      if (unoffered === undefined || signal.kind !== "offer") return;
      this.#unoffered.delete(matchId);
      this.#introduced({ ...unoffered, offer: signal.sdp });
    } catch (error) {
      // The other peer wrote it, the coordinator relays unseen: that peer is not to be talked with.
      taker?.link.close(codeOf(error, "message_malformed"));
    }
  }

  /** The introduction is void. An open channel needs no coordinator and stays. */
  #matchEnded(matchId: string): void {
    this.#unoffered.delete(matchId);
    const taker = this.#takers.get(matchId);
    if (taker?.greeted === false) taker.link.close("peer_closed");
  }

  /** What is held of a file has changed. */
  holdingsChanged(fileId: string): void {
    for (const taker of this.#takers.values()) {
      if (taker.match.file_id === fileId) this.#perform(taker, taker.giver?.setHoldings(this.#runs(fileId)));
    }
  }

  /** Lets everybody go, at once: nothing that is queued is sent any more. */
  closeAll(bye: keyof typeof BYE_CODES): void {
    this.#letGo(() => true, bye);
    this.#alarm.set(undefined);
    this.#receiptTurn.set(undefined);
  }

  #letGo(which: (taker: Taker) => boolean, bye: keyof typeof BYE_CODES): void {
    for (const taker of [...this.#takers.values()].filter(which)) {
      if (taker.giver === undefined) taker.link.close("peer_closed");
      else this.#perform(taker, taker.giver.leave(bye));
    }
  }

  #now(): number {
    return this.#world.clock.nowUs();
  }

  #runs(fileId: string): (readonly [number, number])[] {
    return this.#store.holdings(fileId).map(([start, end]) => [start, end - start]);
  }

  #giver(taker: Taker, proofs: Proofs, ticketExpiresUs: number): PeerGiver {
    const fileId = taker.match.file_id;
    return new PeerGiver({
      ...proofs,
      ticketExpiresUs,
      sizeOf: (digest) => this.#store.sizeOf(fileId, digest),
      holdings: this.#runs(fileId),
      frameBytesMax: frameBytesMax(this.#upBytesPerS),
    });
  }

  #perform(taker: Taker, actions: readonly GiverAction[] = []): void {
    for (const action of actions) {
      switch (action.type) {
        case "send":
          taker.link.send(action.frame);
          break;
        case "greeted":
          taker.greeted = true;
          taker.connect.set(undefined);
          this.#turns.add(taker);
          this.#say({ type: "match_report", match_id: taker.match.match_id, outcome: "open" });
          break;
        case "ready":
          this.#wake();
          break;
        case "receipt":
          this.#receipt(taker, action.bytesTotal, action.mac);
          break;
        case "close":
          // What the downloader says of us is no complaint of ours.
          if (action.byPeer) taker.link.finish("peer_closed");
          else taker.link.close(action.code);
          break;
      }
    }
    taker.deadline.set(this.#takers.has(taker.match.match_id) ? taker.giver?.nextDeadlineUs() : undefined);
  }

  #receipt(taker: Taker, bytesTotal: number, mac: Uint8Array): void {
    const matchId = taker.match.match_id;
    const receipt: ClientMessage = {
      type: "receipt",
      match_id: matchId,
      bytes_total: bytesTotal,
      mac: encodeBase64(mac),
    };
    this.#receipts.delete(matchId);
    this.#receipts.set(matchId, receipt);
    const oldest = this.#receipts.keys().next();
    if (this.#receipts.size > RECEIPTS_MAX && oldest.done !== true) this.#receipts.delete(oldest.value);
    const dueUs = this.#forwardedUs + RECEIPTS_EVERY_US;
    if (this.#now() >= dueUs) this.forwardReceipts();
    else this.#receiptTurn.set(dueUs);
  }

  #gone(taker: Taker, code: ErrorCode): void {
    const matchId = taker.match.match_id;
    if (!this.#takers.delete(matchId)) return;
    taker.connect.set(undefined);
    taker.deadline.set(undefined);
    this.#turns.remove(taker);
    this.forwardReceipts();
    this.#say({ type: "match_report", match_id: matchId, outcome: taker.greeted ? "closed" : "failed", code });
  }

  #wake(): void {
    if (!this.#sending) void this.#send();
  }

  /** Sends until the rate, the grants or the queues say stop. Never fails: whatever goes wrong is one downloader's. */
  async #send(): Promise<void> {
    this.#sending = true;
    try {
      for (;;) {
        const nowUs = this.#now();
        const waitUs = this.#bucket.waitUs(nowUs);
        if (waitUs > 0) {
          this.#alarm.set(nowUs + waitUs);
          return;
        }
        const fillWaits = nowUs < this.#downloadsUntilUs;
        const taker = this.#turns.next(
          ({ giver, link, match }) =>
            !(match.fill && fillWaits) && link.queuedBytes < QUEUE_HIGH_BYTES && giver?.nextChunk() !== undefined,
        );
        const chunk = taker?.giver?.nextChunk();
        if (taker === undefined || chunk === undefined) {
          if (fillWaits && [...this.#takers.values()].some(({ match }) => match.fill)) {
            this.#alarm.set(this.#downloadsUntilUs);
          }
          return;
        }
        if (!(await this.#events.mayGive(DATA_HEADER_BYTES + chunk.length))) return;
        await this.#sendChunk(taker, chunk);
      }
    } finally {
      this.#sending = false;
    }
  }

  async #sendChunk(taker: Taker, chunk: Chunk): Promise<void> {
    const frame = this.#frame.subarray(0, DATA_HEADER_BYTES + chunk.length);
    try {
      await this.#store.read(chunk.digest, chunk.offset, frame.subarray(DATA_HEADER_BYTES));
    } catch (error) {
      this.#perform(taker, taker.giver?.withdraw(chunk.requestId, 1));
      if (codeOf(error, "store_unreadable") === "segment_mismatch") this.#events.lost(taker.match.file_id);
      return;
    }
    if (!this.#takers.has(taker.match.match_id)) return; // it left while the disk was read
    writeDataHeader(new DataView(frame.buffer), chunk.requestId, chunk.offset);
    if (!taker.link.sendBytes(frame)) {
      taker.link.close("peer_closed");
      return;
    }
    const nowUs = this.#now();
    const first = taker.giver?.sentBytes === 0;
    taker.giver?.sent(chunk, nowUs);
    if (!taker.match.fill) this.#downloadsUntilUs = nowUs + FILL_WAITS_US;
    this.#bucket.take(frame.length, nowUs);
    this.#turns.sent(taker, frame.length);
    this.#events.served(chunk.length, first);
    taker.deadline.set(taker.giver?.nextDeadlineUs());
  }
}

/** No frame is more than a quarter of a second of the rate, so that a small rate flows evenly. */
function frameBytesMax(upBytesPerS: number): number {
  return Math.max(1_024, Math.min(FRAME_BYTES_GROWN, Math.floor(upBytesPerS / 4)));
}

/** A tenth of a second of the rate passes at once: what timers of a few milliseconds need. */
function burstBytes(upBytesPerS: number): number {
  return Math.floor(upBytesPerS / 10);
}

/**
 * The donor's end of a peer channel (spec/peer-frames.md), without a channel: feed it, do what it says.
 *
 * Decides: when to greet, which requests are taken, what may be sent next under the downloader's grants, what is a breach
 * of the protocol. Does not decide: when to send (rate, fairness and the channel's own queue are the caller's), nor what
 * is in a segment.
 *
 * Caller's duties, in order:
 * 1. Construct it with both proofs, as soon as both session descriptions are known.
 * 2. After every call perform all actions, in order; then ask for `nextDeadlineUs` and call `tick` at that time.
 * 3. Whenever the channel and the rate have room: ask `nextChunk`, read that stretch, send it as DATA, call `sent`. When
 *    the stretch cannot be read, call `withdraw` instead.
 * 4. When the holdings change, call `setHoldings`.
 * 5. After `close` call nothing more, and close the connection.
 *
 * Invariants: never a payload byte above the largest grant; at most `REQUESTS_OPEN_MAX` requests are kept; nothing is
 * served before the downloader proved its ticket, and nothing that `sizeOf` does not know; what one match may take, ask
 * and hold a place for is bounded by what was stated as held (section 8).
 */

import {
  BYE_CODES,
  DATA_HEADER_BYTES,
  ROLE_DONOR,
  ROLE_DOWNLOADER,
  type Frame,
  type HelloFrame,
  type RefusalCode,
  type RequestFrame,
} from "../wire/frames.ts";
import {
  FRAME_BYTES_GROWN,
  FRAME_BYTES_MAX,
  FRAME_BYTES_START,
  PEER_HELLO_TIMEOUT_MS,
  PROTOCOL_VERSION,
  REQUESTS_OPEN_MAX,
  RUNS_MAX,
  type ErrorCode,
} from "../wire/messages.ts";
import { equalBytes, toHex } from "./hex.ts";
import { difference, type Runs } from "./runs.ts";

/** What the caller has to do. */
export type GiverAction =
  | { readonly type: "send"; readonly frame: Frame }
  /** The downloader proved its ticket. */
  | { readonly type: "greeted" }
  /** There may be something to send now: ask `nextChunk`. */
  | { readonly type: "ready" }
  /** Forward this receipt to the coordinator, unchanged. */
  | { readonly type: "receipt"; readonly bytesTotal: number; readonly mac: Uint8Array }
  /** Over. `byPeer`: the other end said goodbye, for this reason. */
  | { readonly type: "close"; readonly code: ErrorCode; readonly byPeer: boolean };

/** The next stretch to send: `length` bytes from `offset` of the segment of that digest. */
export interface Chunk {
  readonly requestId: number;
  /** SHA-256 of the segment in hexadecimal. */
  readonly digest: string;
  readonly offset: number;
  readonly length: number;
}

export interface GiverConfig {
  /** 16 bytes. */
  readonly matchId: Uint8Array;
  /** What our hello carries, 32 bytes. */
  readonly ownProof: Uint8Array;
  /** What the downloader's hello must carry, 32 bytes. */
  readonly peerProof: Uint8Array;
  /** End of the ticket's life, on the caller's clock. */
  readonly ticketExpiresUs: number;
  /** Size of a segment of the matched file that is held, by its digest in hexadecimal; undefined when it is not held. */
  readonly sizeOf: (digest: string) => number | undefined;
  /** What is held of the matched file: `[start, count]` runs. */
  readonly holdings: readonly (readonly [number, number])[];
  /** The largest frame that the rate cap allows: a quarter of a second of it. At least 1024. */
  readonly frameBytesMax: number;
}

/** A greeted downloader that takes nothing for so long makes room for another. */
export const IDLE_US = 120_000_000;

/** Payload that renews all of {@link IDLE_US}, less of it in proportion: the smallest range that is asked for as a rule. */
const IDLE_BYTES = 65_536;

/** What may be asked for beyond twice what was stated: the largest window, on the way when a request is given up. */
const SLACK_BYTES = 4 * 2 ** 20;

/** Frames that a downloader may send at once: a full set of requests, given up and made anew, eight times. */
const FRAMES_BURST = 1_024;
const FRAMES_PER_S = 64;

/** Payload for which one frame more is expected: a grant comes for 16 KiB and more, a request for 64 KiB as a rule. */
const FRAME_PAYLOAD_BYTES = 4_096;

interface OpenRequest {
  readonly requestId: number;
  readonly digest: string;
  readonly offset: number;
  readonly length: number;
  /** Bytes of it that were sent. */
  sentBytes: number;
}

export class PeerGiver {
  readonly #config: GiverConfig;
  /** In the order in which they came: one segment is finished before the next is begun. */
  readonly #open = new Map<number, OpenRequest>();
  #state: "new" | "greeting" | "open" | "closed" = "new";
  #openedUs = 0;
  #busyUs = 0;
  #peerFrameBytesMax = FRAME_BYTES_START;
  #frameBytesMax: number;
  #windowBytes = 0;
  #grantedBytes = 0;
  #sentBytes = 0;
  #receiptedBytes = 0;
  // What bounds one match: segments stated so far, the largest that was asked for, frames that came.
  #stated: Runs = [];
  #statedSegments = 0;
  #segmentBytes = 0;
  #frames = 0;

  constructor(config: GiverConfig) {
    this.#config = config;
    this.#frameBytesMax = config.frameBytesMax;
  }

  /** Bytes of payload sent on this channel. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Requests not answered yet. */
  get openRequests(): number {
    return this.#open.size;
  }

  /** The channel is open (or a frame came, which says the same). May be told again. */
  opened(nowUs: number): GiverAction[] {
    if (this.#state !== "new") return [];
    this.#state = "greeting";
    this.#openedUs = nowUs;
    const hello: HelloFrame = {
      kind: "hello",
      version: PROTOCOL_VERSION,
      role: ROLE_DONOR,
      matchId: this.#config.matchId,
      proof: this.#config.ownProof,
      frameBytesMax: FRAME_BYTES_MAX,
    };
    return [{ type: "send", frame: hello }];
  }

  /** A frame came. */
  receive(frame: Frame, nowUs: number): GiverAction[] {
    if (this.#state === "closed") return [];
    const before = this.opened(nowUs);
    return [...before, ...this.#receive(frame, nowUs)];
  }

  /** What is held of the matched file has changed. */
  setHoldings(runs: readonly (readonly [number, number])[]): GiverAction[] {
    return this.#state === "open" ? this.#stateHoldings(runs) : [];
  }

  /** The rate cap has changed, and with it the largest frame. At least 1024. */
  setFrameBytesMax(frameBytesMax: number): void {
    this.#frameBytesMax = frameBytesMax;
  }

  /** What to send next; undefined when nothing is asked for or the grant is used up. Changes nothing. */
  nextChunk(): Chunk | undefined {
    if (this.#state !== "open") return undefined;
    for (const request of this.#open.values()) {
      const left = request.length - request.sentBytes;
      const length = Math.min(left, this.#frameBytes() - DATA_HEADER_BYTES);
      // Whole frames or nothing: a grant in crumbs must not become frames in crumbs. The downloader grants again when
      // a quarter of its window was processed, and a frame is no more than that, so this never waits for ever.
      if (length > this.#grantedBytes - this.#sentBytes) return undefined;
      const { requestId, digest } = request;
      return { requestId, digest, offset: request.offset + request.sentBytes, length };
    }
    return undefined;
  }

  /** The chunk that `nextChunk` named was handed to the channel. */
  sent(chunk: Chunk, nowUs: number): void {
    this.#sentBytes += chunk.length;
    this.#busyUs = Math.min(nowUs, this.#busyUs + Math.floor((chunk.length * IDLE_US) / IDLE_BYTES));
    const request = this.#open.get(chunk.requestId);
    // While it was read, the request may have been cancelled or begun again.
    if (request === undefined || request.offset + request.sentBytes !== chunk.offset) return;
    request.sentBytes += chunk.length;
    if (request.sentBytes === request.length) this.#open.delete(chunk.requestId);
  }

  /** An open request cannot be answered after all. */
  withdraw(requestId: number, code: RefusalCode): GiverAction[] {
    if (!this.#open.delete(requestId) || this.#state !== "open") return [];
    return [{ type: "send", frame: { kind: "refuse", requestId, code } }];
  }

  /** What came cannot be parsed, or the channel broke: `code` says which. */
  fail(code: ErrorCode): GiverAction[] {
    return this.#end(4, code);
  }

  /** We are done: `bye` is a number of `BYE_CODES` (0 done, 1 busy, 2 over budget). */
  leave(bye: keyof typeof BYE_CODES): GiverAction[] {
    return this.#end(bye, BYE_CODES[bye]);
  }

  /** The time that `nextDeadlineUs` named has come. */
  tick(nowUs: number): GiverAction[] {
    const deadlineUs = this.nextDeadlineUs();
    if (deadlineUs === undefined || nowUs < deadlineUs) return [];
    return this.#state === "greeting" ? this.#end(0, "hello_timeout") : this.#end(0, "idle_timeout");
  }

  /** When `tick` must be called next; undefined for never. */
  nextDeadlineUs(): number | undefined {
    if (this.#state === "greeting") return this.#openedUs + PEER_HELLO_TIMEOUT_MS * 1_000;
    return this.#state === "open" ? this.#busyUs + IDLE_US : undefined;
  }

  #receive(frame: Frame, nowUs: number): GiverAction[] {
    if (frame.kind === "bye") {
      this.#state = "closed";
      this.#open.clear();
      const code = (BYE_CODES as Readonly<Record<number, ErrorCode>>)[frame.code] ?? "peer_closed";
      return [{ type: "close", code, byPeer: true }];
    }
    if (this.#state !== "open") {
      return frame.kind === "hello" ? this.#greeted(frame, nowUs) : this.#end(4, "frame_unexpected");
    }
    this.#frames += 1;
    if (this.#frames > this.#framesMax(nowUs)) return this.#end(5, "flood");
    switch (frame.kind) {
      case "request":
        return this.#take(frame);
      case "grant":
        this.#windowBytes = frame.windowBytes;
        this.#grantedBytes = Math.max(this.#grantedBytes, frame.grantedBytes);
        return this.#open.size > 0 ? [{ type: "ready" }] : [];
      case "cancel":
        this.#open.delete(frame.requestId);
        return [];
      case "receipt":
        return this.#forward(frame.bytesTotal, frame.mac);
      case "hello":
      case "holdings":
      case "data":
      case "refuse":
        return this.#end(4, "frame_unexpected");
    }
  }

  #greeted(hello: HelloFrame, nowUs: number): GiverAction[] {
    if (hello.version !== PROTOCOL_VERSION) return this.#end(4, "protocol_version");
    if (hello.role !== ROLE_DOWNLOADER) return this.#end(4, "frame_unexpected");
    if (!equalBytes(hello.matchId, this.#config.matchId)) return this.#end(3, "ticket_unknown");
    if (!equalBytes(hello.proof, this.#config.peerProof)) return this.#end(3, "ticket_stolen");
    if (nowUs > this.#config.ticketExpiresUs) return this.#end(3, "ticket_expired");
    this.#state = "open";
    this.#busyUs = nowUs;
    this.#peerFrameBytesMax = hello.frameBytesMax;
    return [{ type: "greeted" }, ...this.#stateHoldings(this.#config.holdings)];
  }

  #take(frame: RequestFrame): GiverAction[] {
    const { requestId, offset, length } = frame;
    const digest = toHex(frame.digest);
    const known = this.#open.get(requestId);
    if (known !== undefined) {
      const same = known.digest === digest && known.offset === offset && known.length === length;
      if (!same) return this.#end(4, "frame_unexpected");
      if (!this.#mayAsk(known.sentBytes)) return this.#end(5, "flood");
      known.sentBytes = 0;
      return [{ type: "ready" }];
    }
    if (this.#open.size >= REQUESTS_OPEN_MAX) return [refusal(requestId, 2)];
    const sizeBytes = this.#config.sizeOf(digest);
    if (sizeBytes === undefined) return [refusal(requestId, 1)];
    if (offset + length > sizeBytes) return [refusal(requestId, 4)];
    this.#segmentBytes = Math.max(this.#segmentBytes, sizeBytes);
    if (!this.#mayAsk(length)) return this.#end(5, "flood");
    this.#open.set(requestId, { requestId, digest, offset, length, sentBytes: 0 });
    return [{ type: "ready" }];
  }

  /** Whether this match may still take so many bytes, beside what it took and what it waits for. */
  #mayAsk(moreBytes: number): boolean {
    let askedBytes = this.#sentBytes + moreBytes;
    for (const request of this.#open.values()) askedBytes += request.length - request.sentBytes;
    return askedBytes <= 2 * this.#statedSegments * this.#segmentBytes + SLACK_BYTES;
  }

  /** Frames that may have come by now. */
  #framesMax(nowUs: number): number {
    const bySeconds = Math.floor(((nowUs - this.#openedUs) * FRAMES_PER_S) / 1_000_000);
    return FRAMES_BURST + bySeconds + Math.floor(this.#sentBytes / FRAME_PAYLOAD_BYTES);
  }

  #stateHoldings(runs: readonly (readonly [number, number])[]): GiverAction[] {
    const held = runs.map(([start, count]) => [start, start + count] as const);
    for (const [start, end] of difference(held, this.#stated)) this.#statedSegments += end - start;
    this.#stated = held;
    return statement(runs);
  }

  #forward(bytesTotal: number, mac: Uint8Array): GiverAction[] {
    // The MAC is the coordinator's to check; more than was ever sent is wrong whatever the MAC says.
    if (bytesTotal > this.#sentBytes) return this.#end(4, "receipt_invalid");
    if (bytesTotal <= this.#receiptedBytes) return [];
    this.#receiptedBytes = bytesTotal;
    return [{ type: "receipt", bytesTotal, mac }];
  }

  /** Size of the next full frame, header included. */
  #frameBytes(): number {
    const grown = this.#windowBytes >= 4 * FRAME_BYTES_GROWN ? FRAME_BYTES_GROWN : FRAME_BYTES_START;
    const quarter = Math.max(FRAME_BYTES_MIN, Math.floor(this.#windowBytes / 4));
    return Math.min(grown, quarter, this.#peerFrameBytesMax, this.#frameBytesMax);
  }

  #end(bye: number, code: ErrorCode): GiverAction[] {
    if (this.#state === "closed") return [];
    const said = this.#state !== "new";
    this.#state = "closed";
    this.#open.clear();
    const close: GiverAction = { type: "close", code, byPeer: false };
    return said ? [{ type: "send", frame: { kind: "bye", code: bye } }, close] : [close];
  }
}

/** The smallest `frame_bytes_max` that a hello may have. */
const FRAME_BYTES_MIN = 1024;

function refusal(requestId: number, code: RefusalCode): GiverAction {
  return { type: "send", frame: { kind: "refuse", requestId, code } };
}

/** The frames of one statement of holdings. */
function statement(runs: readonly (readonly [number, number])[]): GiverAction[] {
  const frames: GiverAction[] = [];
  for (let at = 0; at === 0 || at < runs.length; at += RUNS_MAX) {
    const more = at + RUNS_MAX < runs.length;
    frames.push({ type: "send", frame: { kind: "holdings", runs: runs.slice(at, at + RUNS_MAX), more } });
  }
  return frames;
}

/**
 * The downloader's end of a peer channel (spec/peer-frames.md), without a channel: feed it, do what it says.
 *
 * Decides: when to greet, what to grant, which bytes are new, when to write a receipt, what is a breach of the protocol.
 * Does not decide: what to request (the scheduler), whether bytes are right (the digest of their segment).
 *
 * Caller's duties, in order:
 * 1. Construct it with both proofs, as soon as both session descriptions are known.
 * 2. After every call perform all actions, in order; then ask for `nextDeadlineUs` and call `tick` at that time.
 * 3. For each `deliver` copy the payload (it is a view of the message) and then call `processed` with its length: that is
 *    what opens the window again.
 * 4. Call `verified` when bytes that came over this channel were found right.
 * 5. After `close` call nothing more, and close the connection.
 *
 * Invariants: the donor never has leave for more than `window` bytes beyond what was processed; at most
 * `REQUESTS_OPEN_MAX` requests are open; no byte of a request is delivered twice.
 */

import type { ErrorCode } from "../wire/messages.ts";
import {
  BYE_CODES,
  DATA_HEADER_BYTES,
  REFUSAL_CODES,
  ROLE_DONOR,
  ROLE_DOWNLOADER,
  type DataFrame,
  type Frame,
  type HelloFrame,
  type HoldingsFrame,
} from "../wire/frames.ts";
import { FRAME_BYTES_MAX, PEER_HELLO_TIMEOUT_MS, PROTOCOL_VERSION, REQUESTS_OPEN_MAX } from "../wire/messages.ts";
import { ByteCover } from "./byte-cover.ts";
import { equalBytes } from "./hex.ts";
import { Window } from "./window.ts";

/** What the caller has to do. */
export type TakerAction =
  | { readonly type: "send"; readonly frame: Frame }
  /** Make the MAC of this total and send the receipt, before any later `send` and before `close`. */
  | { readonly type: "sign_receipt"; readonly bytesTotal: number }
  /** The donor proved itself. */
  | { readonly type: "greeted" }
  /** All that the donor holds of the file now: `[start, count]` runs. */
  | { readonly type: "holdings"; readonly runs: readonly (readonly [number, number])[] }
  /** New bytes of a request, at `offset` of its segment. */
  | { readonly type: "deliver"; readonly requestId: number; readonly offset: number; readonly payload: Uint8Array }
  | { readonly type: "completed"; readonly requestId: number }
  | { readonly type: "refused"; readonly requestId: number; readonly code: ErrorCode }
  /** Over. `byPeer`: the other end said goodbye, for this reason. */
  | { readonly type: "close"; readonly code: ErrorCode; readonly byPeer: boolean };

export interface TakerConfig {
  /** 16 bytes. */
  readonly matchId: Uint8Array;
  /** What our hello carries, 32 bytes. */
  readonly ownProof: Uint8Array;
  /** What the donor's hello must carry, 32 bytes. */
  readonly peerProof: Uint8Array;
}

/** Without a byte of what was asked for so long, the window shrinks. The scheduler asks elsewhere by the same measure. */
export const STALL_US = 2_000_000;
const RECEIPT_EVERY_BYTES = 8 * 1024 * 1024;
const RECEIPT_EVERY_US = 5_000_000;

/** Runs kept of one statement of holdings: 16 full frames. A donor that cuts finer is not worth the memory. */
const HOLDING_RUNS_MAX = 65_536;

interface OpenRequest {
  readonly digest: Uint8Array;
  readonly offset: number;
  readonly length: number;
  readonly cover: ByteCover;
}

export class PeerTaker {
  readonly #config: TakerConfig;
  readonly #window = new Window();
  readonly #open = new Map<number, OpenRequest>();
  #state: "new" | "greeting" | "open" | "closed" = "new";
  #openedUs = 0;
  #lastRequestId = 0;
  #holdings: (readonly [number, number])[] = [];
  /** Whether the donor has said before what it holds. */
  #heldBefore = false;

  #grantedBytes = 0;
  #receivedBytes = 0;
  #processedBytes = 0;
  #processedAtGrant = 0;
  /** When a byte beyond `beyondBytes` comes, a round trip has passed since `sentUs`. */
  #probe: { readonly beyondBytes: number; readonly sentUs: number } | undefined;
  /** When something was last heard, or first asked after a pause; undefined while nothing is awaited. */
  #awaitedSinceUs: number | undefined;

  #verifiedBytes = 0;
  #receiptedBytes = 0;
  #receiptUs = 0;

  constructor(config: TakerConfig) {
    this.#config = config;
  }

  /** Bytes that may be on the way at most. */
  get windowBytes(): number {
    return this.#window.bytes;
  }

  /** The shortest round trip that was measured; 0 before any was. */
  get roundTripUs(): number {
    return this.#window.roundTripUs;
  }

  /** Requests that were asked and have not ended. */
  get openRequests(): number {
    return this.#open.size;
  }

  /** The channel is open (or a frame came, which says the same). May be told again. */
  opened(nowUs: number): TakerAction[] {
    if (this.#state !== "new") return [];
    this.#state = "greeting";
    this.#openedUs = nowUs;
    const hello: HelloFrame = {
      kind: "hello",
      version: PROTOCOL_VERSION,
      role: ROLE_DOWNLOADER,
      matchId: this.#config.matchId,
      proof: this.#config.ownProof,
      frameBytesMax: FRAME_BYTES_MAX,
    };
    return [{ type: "send", frame: hello }, ...this.#grant(nowUs)];
  }

  /**
   * Asks for a part of a segment, at the earliest right after our hello. The id of the request is returned; ids count up
   * from 1.
   *
   * @throws RangeError when the channel is not open or too many requests are: the caller must look first.
   */
  request(
    digest: Uint8Array,
    offset: number,
    length: number,
    nowUs: number,
  ): { readonly requestId: number; readonly actions: TakerAction[] } {
    if (this.#state === "new" || this.#state === "closed") throw new RangeError(`a request in state ${this.#state}`);
    if (this.#open.size >= REQUESTS_OPEN_MAX) throw new RangeError("too many open requests");
    this.#lastRequestId += 1;
    const requestId = this.#lastRequestId;
    if (this.#open.size === 0) {
      this.#awaitedSinceUs = nowUs;
      this.#window.start(nowUs);
      // The line is quiet: the first byte to come is the answer to this.
      this.#probe = { beyondBytes: this.#receivedBytes, sentUs: nowUs };
    }
    this.#open.set(requestId, { digest, offset, length, cover: new ByteCover(offset, offset + length) });
    return { requestId, actions: [{ type: "send", frame: { kind: "request", requestId, digest, offset, length } }] };
  }

  /** Asks for all of an open request again: the donor answers from its start. Does nothing when it has ended. */
  repeat(requestId: number): TakerAction[] {
    const request = this.#open.get(requestId);
    if (request === undefined || this.#state === "closed") return [];
    const { digest, offset, length } = request;
    return [{ type: "send", frame: { kind: "request", requestId, digest, offset, length } }];
  }

  /** Ends a request. What is still on the way is dropped. Does nothing when it has ended. */
  cancel(requestId: number, nowUs: number): TakerAction[] {
    if (!this.#open.delete(requestId) || this.#state === "closed") return [];
    return [{ type: "send", frame: { kind: "cancel", requestId } }, ...this.#afterRequest(nowUs)];
  }

  /** So many delivered bytes were taken out of their messages. */
  processed(sizeBytes: number, nowUs: number): TakerAction[] {
    if (this.#state !== "open") return [];
    this.#processedBytes += sizeBytes;
    this.#window.processed(sizeBytes, nowUs);
    // A frame is a quarter of the window with its header: each one brings a grant.
    const due = Math.floor(this.#window.bytes / 4) - DATA_HEADER_BYTES;
    return this.#processedBytes - this.#processedAtGrant >= due ? this.#grant(nowUs) : [];
  }

  /** So many bytes that came over this channel belong to segments whose digest is right. */
  verified(sizeBytes: number, nowUs: number): TakerAction[] {
    if (this.#state !== "open") return [];
    if (this.#verifiedBytes === this.#receiptedBytes) this.#receiptUs = nowUs;
    this.#verifiedBytes += sizeBytes;
    return this.#receipt(nowUs);
  }

  /** A frame came. */
  receive(frame: Frame, nowUs: number): TakerAction[] {
    if (this.#state === "closed") return [];
    const before = this.opened(nowUs);
    return [...before, ...this.#receive(frame, nowUs)];
  }

  /** What came cannot be parsed, or the channel broke: `code` says which. */
  fail(code: ErrorCode): TakerAction[] {
    return this.#end(4, code);
  }

  /** We are done: a last receipt, goodbye. */
  leave(): TakerAction[] {
    if (this.#state === "closed") return [];
    const receipt: TakerAction[] =
      this.#verifiedBytes > this.#receiptedBytes ? [{ type: "sign_receipt", bytesTotal: this.#verifiedBytes }] : [];
    return [...receipt, ...this.#end(0, "peer_closed")];
  }

  /** The time that `nextDeadlineUs` named has come. */
  tick(nowUs: number): TakerAction[] {
    if (this.#state === "greeting" && nowUs >= this.#openedUs + PEER_HELLO_TIMEOUT_MS * 1_000) {
      return this.#end(0, "hello_timeout");
    }
    return this.#state === "open" ? this.#receipt(nowUs) : [];
  }

  /** When `tick` must be called next; undefined for never. */
  nextDeadlineUs(): number | undefined {
    if (this.#state === "greeting") return this.#openedUs + PEER_HELLO_TIMEOUT_MS * 1_000;
    if (this.#state === "open" && this.#verifiedBytes > this.#receiptedBytes) return this.#receiptUs + RECEIPT_EVERY_US;
    return undefined;
  }

  #receive(frame: Frame, nowUs: number): TakerAction[] {
    if (frame.kind === "bye") {
      this.#state = "closed";
      return [{ type: "close", code: byeCode(frame.code), byPeer: true }];
    }
    if (this.#state !== "open") {
      return frame.kind === "hello" ? this.#greeted(frame) : this.#end(4, "frame_unexpected");
    }
    switch (frame.kind) {
      case "holdings":
        return this.#hold(frame, nowUs);
      case "data":
        return this.#take(frame, nowUs);
      case "refuse": {
        if (!this.#open.delete(frame.requestId)) return [];
        const code = REFUSAL_CODES[frame.code];
        return [{ type: "refused", requestId: frame.requestId, code }, ...this.#afterRequest(nowUs)];
      }
      case "hello":
      case "request":
      case "grant":
      case "cancel":
      case "receipt":
        return this.#end(4, "frame_unexpected");
    }
  }

  #greeted(hello: HelloFrame): TakerAction[] {
    if (hello.version !== PROTOCOL_VERSION) return this.#end(4, "protocol_version");
    if (hello.role !== ROLE_DONOR) return this.#end(4, "frame_unexpected");
    if (!equalBytes(hello.matchId, this.#config.matchId)) return this.#end(3, "ticket_unknown");
    if (!equalBytes(hello.proof, this.#config.peerProof)) return this.#end(3, "ticket_stolen");
    this.#state = "open";
    return [{ type: "greeted" }];
  }

  #hold(frame: HoldingsFrame, nowUs: number): TakerAction[] {
    if (!this.#heldBefore) this.#window.measured(nowUs - this.#openedUs); // the donor says it in answer to our hello
    this.#heldBefore = true;
    this.#holdings.push(...frame.runs);
    if (this.#holdings.length > HOLDING_RUNS_MAX) return this.#end(4, "frame_unexpected");
    if (frame.more) return [];
    const runs = this.#holdings;
    this.#holdings = [];
    return [{ type: "holdings", runs }];
  }

  #take(frame: DataFrame, nowUs: number): TakerAction[] {
    const { requestId, offset, payload } = frame;
    this.#receivedBytes += payload.length;
    if (this.#receivedBytes > this.#grantedBytes) return this.#end(4, "grant_exceeded");
    if (requestId > this.#lastRequestId || requestId === 0) return this.#end(4, "unrequested_data");
    if (this.#probe !== undefined && this.#receivedBytes > this.#probe.beyondBytes) {
      this.#window.measured(nowUs - this.#probe.sentUs);
      this.#probe = undefined;
    }
    if (this.#awaitedSinceUs !== undefined) {
      if (nowUs - this.#awaitedSinceUs > STALL_US) this.#window.stalled(nowUs);
      this.#awaitedSinceUs = nowUs;
    }
    const request = this.#open.get(requestId);
    if (request === undefined) return this.processed(payload.length, nowUs); // cancelled or done earlier
    const end = offset + payload.length;
    if (offset < request.offset || end > request.offset + request.length) return this.#end(4, "unrequested_data");
    const fresh = request.cover.add(offset, end);
    if (fresh === undefined) return this.#end(4, "frame_unexpected");

    const actions: TakerAction[] = [];
    let freshBytes = 0;
    for (const [from, to] of fresh) {
      freshBytes += to - from;
      actions.push({ type: "deliver", requestId, offset: from, payload: payload.subarray(from - offset, to - offset) });
    }
    if (freshBytes < payload.length) actions.push(...this.processed(payload.length - freshBytes, nowUs));
    if (request.cover.complete) {
      this.#open.delete(requestId);
      actions.push({ type: "completed", requestId }, ...this.#afterRequest(nowUs));
    }
    return actions;
  }

  #afterRequest(nowUs: number): TakerAction[] {
    if (this.#open.size > 0) return [];
    this.#awaitedSinceUs = undefined;
    this.#probe = undefined;
    this.#window.pause();
    return this.#receipt(nowUs);
  }

  #grant(nowUs: number): TakerAction[] {
    const before = this.#grantedBytes;
    this.#processedAtGrant = this.#processedBytes;
    this.#grantedBytes = Math.max(before, this.#processedBytes + this.#window.bytes);
    if (this.#grantedBytes === before) return [];
    if (this.#open.size > 0) this.#probe ??= { beyondBytes: before, sentUs: nowUs };
    const frame: Frame = { kind: "grant", windowBytes: this.#window.bytes, grantedBytes: this.#grantedBytes };
    return [{ type: "send", frame }];
  }

  #receipt(nowUs: number): TakerAction[] {
    const unsaid = this.#verifiedBytes - this.#receiptedBytes;
    // A quiet line may mean that the page is about to go: what is verified is said now.
    const due = unsaid >= RECEIPT_EVERY_BYTES || nowUs >= this.#receiptUs + RECEIPT_EVERY_US || this.#open.size === 0;
    if (unsaid === 0 || !due) return [];
    this.#receiptedBytes = this.#verifiedBytes;
    this.#receiptUs = nowUs;
    return [{ type: "sign_receipt", bytesTotal: this.#verifiedBytes }];
  }

  #end(bye: number, code: ErrorCode): TakerAction[] {
    if (this.#state === "closed") return [];
    const said = this.#state !== "new";
    this.#state = "closed";
    this.#open.clear();
    const close: TakerAction = { type: "close", code, byPeer: false };
    return said ? [{ type: "send", frame: { kind: "bye", code: bye } }, close] : [close];
  }
}

/** What a goodbye's number says; numbers of later versions read as a plain leave. */
function byeCode(code: number): ErrorCode {
  return (BYE_CODES as Readonly<Record<number, ErrorCode>>)[code] ?? "peer_closed";
}

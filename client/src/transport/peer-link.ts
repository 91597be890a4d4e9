/**
 * One connection to one peer, from its description to its last frame, for either role (spec/session.md section 4,
 * spec/peer-frames.md sections 1 and 3).
 *
 * Does: hands out the local description, relays candidates, picks the channel, makes the proofs, turns messages into frames.
 * What frames mean is decided by `PeerTaker` or `PeerGiver`, which the owner makes when `proven` is called.
 *
 * Rules:
 * - Candidates that are gathered before a match are kept and sent right after it.
 * - The channel is the negotiated one, but towards a native peer the in-band one; the other is closed.
 * - `open` events may be missing, doubled or late in worker-held channels: a frame opens the channel as well, and the
 *   machines take a second `opened` for nothing.
 * - Every link ends with exactly one `closed`.
 */

import { fromHex } from "../core/hex.ts";
import { decodeFrame, encodeFrame, ROLE_DONOR, ROLE_DOWNLOADER, type Frame } from "../wire/frames.ts";
import { codeOf, RemoteProtocolError } from "../wire/errors.ts";
import { SIGNALS_PER_MATCH_MAX, type ErrorCode, type Signal } from "../wire/messages.ts";
import { fingerprintOf, ticketProof, type HmacSha256 } from "../wire/proofs.ts";
import type { Clock } from "./clock.ts";
import type { RtcClient, RtcConnection } from "./rtc-client.ts";
import type { ChannelKind, IceCandidate } from "./rtc-messages.ts";

/** What a link needs to know of a match. */
export interface LinkMatch {
  /** 32 hexadecimal digits. */
  readonly matchId: string;
  /** The ticket's secret, 32 bytes. */
  readonly secret: Uint8Array;
  readonly peerNative: boolean;
}

export interface Proofs {
  readonly matchId: Uint8Array;
  readonly ownProof: Uint8Array;
  readonly peerProof: Uint8Array;
}

/** Time and keyed hashing, injected. */
export interface LinkWorld {
  readonly clock: Clock;
  readonly hmac: HmacSha256;
}

export interface LinkEvents {
  /** The offer is there (links that offer, before or after `bind`). */
  offered(sdp: string): void;
  /** Relay this in the match. */
  signal(payload: Signal): void;
  /** Both fingerprints are known: make the machine. Comes before any `frame`. */
  proven(proofs: Proofs): void;
  /** The channel is open. May come again. */
  opened(): void;
  frame(frame: Frame): void;
  /** The channel's queue has fallen to its low mark. */
  writable(): void;
  /** The connection is gone; `code` says why. */
  closed(code: ErrorCode): void;
}

/** Queue of a channel: filled up to the high mark, asked again at the low one. The grants are the real limit. */
export const QUEUE_HIGH_BYTES = 1_048_576;
const QUEUE_LOW_BYTES = 262_144;

/**
 * Longest wait for a goodbye to leave before the connection is closed under it. A donor's connection stays for all of it:
 * what the downloader's going does to its state is told before it is closed (rtc-host.ts says why that matters).
 */
const END_US = 1_000_000;

/** Frames that may come before the proofs are ready: hello, holdings, a grant and some requests. */
const EARLY_FRAMES_MAX = 128;

export class PeerLink {
  readonly #role: typeof ROLE_DOWNLOADER | typeof ROLE_DONOR;
  readonly #world: LinkWorld;
  readonly #events: LinkEvents;
  readonly #connection: RtcConnection;
  readonly #offers: boolean;
  #channels = new Map<ChannelKind, RTCDataChannel>();
  #channel: RTCDataChannel | undefined;
  #match: LinkMatch | undefined;
  #localSdp: string | undefined;
  #remoteSdp: string | undefined;
  #candidates: IceCandidate[] = [];
  #candidatesSent = 0;
  #early: Frame[] | undefined = [];
  #listening: Promise<unknown> = Promise.resolve();
  #closed = false;

  /**
   * @param how `answer`: the other side's offer. For a link that offers, whether somebody waits for the offer (`urgent`) or
   *   it may take the time to be complete.
   */
  constructor(
    rtc: RtcClient,
    role: typeof ROLE_DOWNLOADER | typeof ROLE_DONOR,
    world: LinkWorld,
    events: LinkEvents,
    how: { readonly answer: string } | { readonly offer: "urgent" | "complete" },
  ) {
    this.#role = role;
    this.#world = world;
    this.#events = events;
    this.#offers = "offer" in how;
    this.#remoteSdp = "answer" in how ? how.answer : undefined;
    const handlers = {
      onChannel: (kind: ChannelKind, channel: RTCDataChannel) => {
        this.#adopt(kind, channel);
      },
      onDescription: (sdp: string) => {
        this.#describe(sdp);
      },
      onCandidate: (candidate: IceCandidate) => {
        this.#gathered(candidate);
      },
      onClosed: () => {
        this.#end("peer_unreachable", "now");
      },
    };
    this.#connection =
      "answer" in how ? rtc.takeOffer(how.answer, handlers) : rtc.makeOffer(handlers, how.offer === "urgent");
  }

  /** The local description; undefined until it is there. */
  get sdp(): string | undefined {
    return this.#localSdp;
  }

  /** Bytes that were sent and have not left the channel's queue. */
  get queuedBytes(): number {
    return this.#channel?.bufferedAmount ?? 0;
  }

  /**
   * The match that this link is for. Once, for links that answer right after the constructor.
   *
   * @param listening nothing is told of the channel before this has settled; the few frames that may come wait.
   */
  bind(match: LinkMatch, listening: Promise<unknown> = this.#listening): void {
    this.#match = match;
    this.#listening = listening;
    this.#choose();
    if (this.#localSdp !== undefined && !this.#offers) this.#events.signal({ kind: "answer", sdp: this.#localSdp });
    for (const candidate of this.#candidates.splice(0)) this.#send(candidate);
    this.#prove();
  }

  /** Somebody waits for the offer: it is handed out as it is, and the rest of its candidates are trickled. */
  hurry(): void {
    if (this.#localSdp === undefined) this.#connection.hurry();
  }

  /** The other end's signal in this match. What does not fit the moment is ignored: it may be of an older try. */
  heed(signal: Signal): void {
    if (this.#closed) return;
    if (signal.kind === "candidate") {
      if (signal.candidate === "") return;
      this.#connection.addCandidate({
        candidate: signal.candidate,
        sdpMid: signal.sdp_mid ?? undefined,
        sdpMLineIndex: signal.sdp_m_line_index ?? undefined,
      });
    } else if (signal.kind === "answer" && this.#offers && this.#remoteSdp === undefined) {
      this.#remoteSdp = signal.sdp;
      this.#connection.takeAnswer(signal.sdp);
      this.#prove();
    }
  }

  /** Sends a frame; says whether the channel took it. */
  send(frame: Frame): boolean {
    return this.sendBytes(encodeFrame(frame));
  }

  /** Sends an encoded frame, which the channel copies. */
  sendBytes(bytes: Uint8Array<ArrayBuffer>): boolean {
    if (this.#channel?.readyState !== "open") return false;
    try {
      this.#channel.send(bytes);
      return true;
    } catch {
      // OperationError: Chromium's queue of 16 MiB is full. The water marks keep far below, so the channel is broken.
      this.close("peer_unreachable");
      return false;
    }
  }

  /** Closes the connection at once; what is queued is lost. `closed` follows with `code`, if it has not come yet. */
  close(code: ErrorCode): void {
    this.#end(code, "now");
  }

  /** Like `close`, for the end of a talk: what is queued may still leave, for a second at most. */
  finish(code: ErrorCode): void {
    this.#end(code, "later");
  }

  #adopt(kind: ChannelKind, channel: RTCDataChannel): void {
    if (this.#closed) {
      channel.close();
      return;
    }
    this.#channels.set(kind, channel);
    this.#choose();
  }

  /** Takes the channel that the match needs, once both are known. */
  #choose(): void {
    if (this.#match === undefined || this.#channel !== undefined) return;
    const wanted: ChannelKind = this.#match.peerNative ? "in_band" : "negotiated";
    const channel = this.#channels.get(wanted);
    if (channel === undefined) return;
    this.#channel = channel;
    for (const [kind, other] of this.#channels) if (kind !== wanted) other.close();
    this.#channels.clear();
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = QUEUE_LOW_BYTES;
    channel.onopen = () => {
      this.#opened();
    };
    channel.onmessage = (event: MessageEvent<unknown>) => {
      this.#receive(event.data);
    };
    channel.onbufferedamountlow = () => {
      this.#events.writable();
    };
    channel.onclose = () => {
      this.#end("peer_closed", this.#role === ROLE_DONOR ? "later" : "now");
    };
    this.#opened();
  }

  #opened(): void {
    // Until the proofs are there nobody listens; `#prove` asks again.
    if (this.#early === undefined && this.#channel?.readyState === "open") this.#events.opened();
  }

  #receive(data: unknown): void {
    if (this.#closed) return;
    let frame: Frame;
    try {
      if (!(data instanceof ArrayBuffer)) throw new RemoteProtocolError("frame_malformed");
      frame = decodeFrame(data);
    } catch (error) {
      this.close(codeOf(error, "frame_malformed"));
      return;
    }
    if (this.#early === undefined) this.#events.frame(frame);
    else if (this.#early.length < EARLY_FRAMES_MAX) this.#early.push(frame);
    else this.close("frame_unexpected");
  }

  #describe(sdp: string): void {
    if (this.#closed) return;
    this.#localSdp = sdp;
    if (this.#offers) this.#events.offered(sdp);
    else if (this.#match !== undefined) this.#events.signal({ kind: "answer", sdp });
    this.#prove();
  }

  #gathered(candidate: IceCandidate): void {
    if (this.#match === undefined) this.#candidates.push(candidate);
    else this.#send(candidate);
  }

  #send(candidate: IceCandidate): void {
    // One of the signals of a match is the description.
    this.#candidatesSent += 1;
    if (this.#candidatesSent >= SIGNALS_PER_MATCH_MAX - 1) return;
    this.#events.signal({
      kind: "candidate",
      candidate: candidate.candidate,
      sdp_mid: candidate.sdpMid ?? null,
      sdp_m_line_index: candidate.sdpMLineIndex ?? null,
    });
  }

  #prove(): void {
    const match = this.#match;
    if (match === undefined || this.#localSdp === undefined || this.#remoteSdp === undefined) return;
    const own = fingerprintOf(this.#localSdp);
    const peer = fingerprintOf(this.#remoteSdp);
    if (own === undefined || peer === undefined) {
      this.close("ticket_stolen");
      return;
    }
    const matchId = fromHex(match.matchId);
    const [offererFingerprint, answererFingerprint] = this.#offers ? [own, peer] : [peer, own];
    const proof = (role: number) =>
      ticketProof(this.#world.hmac, match.secret, { role, matchId, offererFingerprint, answererFingerprint });
    const peerRole = this.#role === ROLE_DONOR ? ROLE_DOWNLOADER : ROLE_DONOR;
    Promise.all([proof(this.#role), proof(peerRole), this.#listening]).then(
      ([ownProof, peerProof]) => {
        this.#start({ matchId, ownProof, peerProof });
      },
      () => {
        this.close("unsupported_browser");
      },
    );
  }

  #start(proofs: Proofs): void {
    if (this.#closed || this.#early === undefined) return;
    const early = this.#early;
    this.#early = undefined;
    this.#events.proven(proofs);
    this.#opened();
    for (const frame of early) this.#events.frame(frame);
  }

  #end(code: ErrorCode, how: "now" | "later"): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#early = undefined;
    const channel = this.#channel;
    if (channel !== undefined) {
      channel.onopen = null;
      channel.onmessage = null;
      channel.onbufferedamountlow = null;
      channel.onclose = null;
    }
    if (how === "now" || channel === undefined) {
      this.#connection.close();
    } else {
      const close = () => {
        cancel();
        this.#connection.close();
      };
      const cancel = this.#world.clock.after(END_US, close);
      if (this.#role === ROLE_DOWNLOADER) channel.onclose = close;
      channel.close(); // which lets its queue leave first (RFC 8831, section 6.7)
    }
    this.#events.closed(code);
  }
}

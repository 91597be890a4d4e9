/**
 * What a worker and its window say to each other about WebRTC connections.
 *
 * Browsers give `RTCPeerConnection` to windows only, while everything that must go on in a hidden tab (timers, flow
 * control, the session) lives in a worker. So the window keeps the connections and does as it is told ({@link RtcHost}),
 * and the worker decides ({@link RtcClient}). The two share one `MessagePort`; data channels cross it once, right after
 * creation, and are never touched by the window again.
 *
 * SDP and candidates are relayed unchanged: unknown lines carry features of newer browsers (SNAP, SPED).
 */

/** Names one connection on one port. Given out by the worker, counting up from 1, never used again. */
export type ConnectionId = number;

/** A trickled ICE candidate, as the session relays it. `undefined` fields were `null` in the browser's own object. */
export interface IceCandidate {
  readonly candidate: string;
  readonly sdpMid?: string | undefined;
  readonly sdpMLineIndex?: number | undefined;
}

/** What the worker tells the window to do. */
export type RtcCommand =
  | { readonly type: "configure"; readonly stunUrls: readonly string[] }
  /** Make a connection that offers. Answered by two `channel` reports and one `description`, or by `closed`. */
  /** `urgent`: somebody waits for it, so it is handed out at once and its candidates are trickled. */
  | { readonly type: "make_offer"; readonly connection: ConnectionId; readonly urgent: boolean }
  /** Make a connection that answers `sdp`. Answered by one `channel` report and one `description`, or by `closed`. */
  | { readonly type: "take_offer"; readonly connection: ConnectionId; readonly sdp: string }
  /** Somebody waits for this offer now: hand it out as it is. */
  | { readonly type: "hurry"; readonly connection: ConnectionId }
  | { readonly type: "take_answer"; readonly connection: ConnectionId; readonly sdp: string }
  | { readonly type: "add_candidate"; readonly connection: ConnectionId; readonly candidate: IceCandidate }
  | { readonly type: "close"; readonly connection: ConnectionId };

/** How a data channel came to be: agreed on beforehand (browsers), or announced in-band (native peers). */
export type ChannelKind = "negotiated" | "in_band";

/** Why a connection is gone. */
export type CloseReason = "asked" | "full" | "failed" | "remote" | "refused" | "page_hidden";

/**
 * What the window reports. After `closed` nothing more comes for that connection. States in between are not told: a path
 * that breaks shows as a stall, and as `closed` when ICE gives up.
 */
export type RtcReport =
  | {
      readonly type: "channel";
      readonly connection: ConnectionId;
      readonly kind: ChannelKind;
      readonly channel: RTCDataChannel;
    }
  /** The local description, with the candidates gathered so far; later ones follow as `candidate`. */
  | { readonly type: "description"; readonly connection: ConnectionId; readonly sdp: string }
  | { readonly type: "candidate"; readonly connection: ConnectionId; readonly candidate: IceCandidate }
  /** The description with all candidates: the NAT class shows in it. */
  | { readonly type: "gathered"; readonly connection: ConnectionId; readonly sdp: string }
  | { readonly type: "closed"; readonly connection: ConnectionId; readonly reason: CloseReason };

/** The id on which two browsers agree without a word; an in-band channel to a native peer has the same label. */
export const NEGOTIATED_CHANNEL_ID = 100;

/** Label of every data channel of ours. */
export const CHANNEL_LABEL = "dio";

/**
 * The worker's half of WebRTC: asks the window for connections and gets their channels. See `rtc-messages.ts`.
 *
 * Decides nothing about peers; keeps who is told what. Every connection ends with exactly one `onClosed`, also when the
 * caller closed it itself, and nothing comes after.
 */

import { natClassOf, type NatClass } from "../core/nat-class.ts";
import type { ClientMessage } from "../wire/messages.ts";
import type { ChannelKind, CloseReason, ConnectionId, IceCandidate, RtcCommand, RtcReport } from "./rtc-messages.ts";

/** The parts of a `MessagePort` that are used here. */
export interface RtcClientPort {
  postMessage(command: RtcCommand): void;
  onmessage: ((event: MessageEvent<RtcReport>) => void) | null;
}

/** What a connection tells its owner. Called in the order of the window's reports. */
export interface RtcConnectionEvents {
  /** A channel of this connection, not open yet. Comes before the description. */
  onChannel(kind: ChannelKind, channel: RTCDataChannel): void;
  /** The local description: to be relayed unchanged. */
  onDescription(sdp: string): void;
  onCandidate(candidate: IceCandidate): void;
  onClosed(reason: CloseReason): void;
}

/** One connection as its owner in the worker sees it. */
export interface RtcConnection {
  /** Hands the description out at once, complete or not. */
  hurry(): void;
  takeAnswer(sdp: string): void;
  addCandidate(candidate: IceCandidate): void;
  /** Closes it. Does nothing when it is closed. */
  close(): void;
}

/** Takes ownership of the port. */
export class RtcClient {
  readonly #port: RtcClientPort;
  readonly #live = new Map<ConnectionId, RtcConnectionEvents>();
  #last: ConnectionId = 0;
  #nat: NatClass = "unknown";
  #say: (message: ClientMessage) => void = () => undefined;

  constructor(port: RtcClientPort) {
    this.#port = port;
    port.onmessage = (event) => {
      this.#heed(event.data);
    };
  }

  /** Number of connections that were asked for and are not closed. */
  get connections(): number {
    return this.#live.size;
  }

  /**
   * A session has begun: connections use its STUN servers from now on, and the NAT class is told in it when it is known.
   *
   * @param say sends a message in that session.
   */
  configure(stunUrls: readonly string[], say: (message: ClientMessage) => void): void {
    this.#port.postMessage({ type: "configure", stunUrls });
    this.#say = say;
    if (this.#nat !== "unknown") this.#tellNat();
  }

  /** A connection that offers: two channels, then its description. */
  makeOffer(events: RtcConnectionEvents, urgent: boolean): RtcConnection {
    const connection = this.#next(events);
    this.#port.postMessage({ type: "make_offer", connection, urgent });
    return this.#handle(connection);
  }

  /** A connection that answers an offer: one channel, then its description. */
  takeOffer(sdp: string, events: RtcConnectionEvents): RtcConnection {
    const connection = this.#next(events);
    this.#port.postMessage({ type: "take_offer", connection, sdp });
    return this.#handle(connection);
  }

  #next(events: RtcConnectionEvents): ConnectionId {
    this.#last += 1;
    this.#live.set(this.#last, events);
    return this.#last;
  }

  #handle(connection: ConnectionId): RtcConnection {
    const post = (command: RtcCommand) => {
      if (this.#live.has(connection)) this.#port.postMessage(command);
    };
    return {
      hurry: () => {
        post({ type: "hurry", connection });
      },
      takeAnswer: (sdp) => {
        post({ type: "take_answer", connection, sdp });
      },
      addCandidate: (candidate) => {
        post({ type: "add_candidate", connection, candidate });
      },
      close: () => {
        post({ type: "close", connection });
      },
    };
  }

  #tellNat(): void {
    this.#say({ type: "nat", nat: this.#nat });
  }

  #heed(report: RtcReport): void {
    if (report.type === "gathered") {
      const nat = natClassOf(report.sdp);
      if (nat === this.#nat) return;
      this.#nat = nat;
      this.#tellNat();
      return;
    }
    const events = this.#live.get(report.connection);
    if (events === undefined) return;
    switch (report.type) {
      case "channel":
        events.onChannel(report.kind, report.channel);
        return;
      case "description":
        events.onDescription(report.sdp);
        return;
      case "candidate":
        events.onCandidate(report.candidate);
        return;
      case "closed":
        this.#live.delete(report.connection);
        events.onClosed(report.reason);
    }
  }
}

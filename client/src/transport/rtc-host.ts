/**
 * The window's half of WebRTC: owns the connections, decides nothing.
 *
 * Rules:
 * - A connection exists only because the worker asked for it. Nothing here is made before, so a page that is told
 *   "mirrors only" never has an `RTCPeerConnection`.
 * - Channels are created before the first description and transferred in the same task: a channel that has opened or
 *   sent can no longer be moved (docs/browser-facts.md, WebRTC).
 * - Candidates are trickled. An answer waits for none, nor does an urgent offer. One that is deposited ahead of use waits for
 *   what a STUN server saw, as a donor that has it begins to look for its path a trip earlier; but at most
 *   {@link GATHER_WAIT_MS}, since a dead server would delay it by seconds. (That all is gathered Chromium says 120 ms late.)
 * - Chromium counts closed connections towards its limit of about 500 until they are collected, and then throws; that
 *   is reported as `full`, like our own smaller limit.
 * - Chromium never frees a connection that is closed between a change of its state and the event that tells it: what
 *   waits to be told is not thrown away, and holds it (`RTCPeerConnection::DispatchScheduledEvents`; one of 150 short
 *   visits was held, for the page's life). So where many come and go, one that still gathers is closed when it
 *   has, or after {@link GATHER_WAIT_MS}, and one whose downloader has gone a second later (peer-link.ts).
 * - `pagehide` closes everything: a closed Chromium tab otherwise looks connected for 5 s and more.
 *
 * Main-thread timers are used for nothing that matters in a hidden tab (only the gathering wait, at most a second late).
 */

import {
  CHANNEL_LABEL,
  NEGOTIATED_CHANNEL_ID,
  type ChannelKind,
  type CloseReason,
  type ConnectionId,
  type IceCandidate,
  type RtcCommand,
  type RtcReport,
} from "./rtc-messages.ts";

/** Longest wait for candidates before a description is handed out. Later candidates are trickled. */
export const GATHER_WAIT_MS = 300;

/**
 * Live connections of one window: 24 in use, 8 offers lying at the coordinator, and as many that are about to be closed;
 * far below Chromium's ~500.
 */
export const CONNECTIONS_MAX = 64;

/** The parts of a `MessagePort` that are used here. */
export interface RtcHostPort {
  postMessage(report: RtcReport, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent<RtcCommand>) => void) | null;
  close(): void;
}

/** What of the window the host needs; replaced in tests. */
export interface RtcHostWindow {
  createConnection(configuration: RTCConfiguration): RTCPeerConnection;
  addEventListener(type: "pagehide", listener: () => void): void;
  removeEventListener(type: "pagehide", listener: () => void): void;
  setTimeout(callback: () => void, delayMs: number): number;
  clearTimeout(timer: number): void;
}

/** The real window. */
export function browserWindow(): RtcHostWindow {
  return {
    createConnection: (configuration) => new RTCPeerConnection(configuration),
    addEventListener: (type, listener) => window.addEventListener(type, listener),
    removeEventListener: (type, listener) => window.removeEventListener(type, listener),
    setTimeout: (callback, delayMs) => window.setTimeout(callback, delayMs),
    clearTimeout: (timer) => window.clearTimeout(timer),
  };
}

/** True where the browser has WebRTC at all, and nobody removed it (policies and extensions do). */
export function canConnect(): boolean {
  return typeof RTCPeerConnection === "function";
}

/**
 * Serves one worker until {@link RtcHost.close} or `pagehide`.
 *
 * Takes ownership of the port.
 */
export class RtcHost {
  readonly #port: RtcHostPort;
  readonly #window: RtcHostWindow;
  readonly #connections = new Map<ConnectionId, RTCPeerConnection>();
  /** Candidates that came before the remote description; browsers reject those. Bounded by the session's own limit. */
  readonly #early = new Map<ConnectionId, IceCandidate[]>();
  readonly #onPageHide = () => {
    this.#closeAll("page_hidden");
  };
  /** Ends the wait of a connection whose candidates are being gathered. */
  readonly #waiting = new Map<ConnectionId, () => void>();
  /** Offers that are wanted at once, though they were not when they were begun. */
  readonly #hurried = new Set<ConnectionId>();
  readonly #settles: boolean;
  #iceServers: RTCIceServer[];

  /**
   * @param stunUrls servers that are known already.
   * @param settles whether connections settle before they are closed: for pages that many come to and leave, not for those
   *   that are left soon, since Firefox keeps no page for "back" that has an open connection.
   */
  constructor(port: RtcHostPort, hostWindow: RtcHostWindow, stunUrls: readonly string[] = [], settles = false) {
    this.#settles = settles;
    this.#port = port;
    this.#window = hostWindow;
    this.#iceServers = serversAt(stunUrls);
    hostWindow.addEventListener("pagehide", this.#onPageHide);
    port.onmessage = (event) => {
      this.#obey(event.data);
    };
  }

  /** Number of live connections. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Closes all connections and the port. */
  close(): void {
    this.#closeAll("asked");
    this.#window.removeEventListener("pagehide", this.#onPageHide);
    this.#port.onmessage = null;
    this.#port.close();
  }

  #obey(command: RtcCommand): void {
    switch (command.type) {
      case "configure":
        this.#iceServers = serversAt(command.stunUrls);
        return;
      case "make_offer":
        this.#start(command.connection, (connection) =>
          this.#makeOffer(command.connection, connection, command.urgent),
        );
        return;
      case "take_offer":
        this.#start(command.connection, (connection) => this.#takeOffer(command.connection, connection, command.sdp));
        return;
      case "hurry":
        if (this.#connections.has(command.connection)) this.#hurried.add(command.connection);
        this.#waiting.get(command.connection)?.();
        return;
      case "take_answer":
        this.#guard(command.connection, (connection) =>
          this.#setRemote(command.connection, connection, { type: "answer", sdp: command.sdp }),
        );
        return;
      case "add_candidate":
        this.#addCandidate(command.connection, command.candidate);
        return;
      case "close":
        this.#drop(command.connection, "asked");
    }
  }

  #start(id: ConnectionId, run: (connection: RTCPeerConnection) => Promise<void>): void {
    if (this.#connections.size >= CONNECTIONS_MAX) {
      this.#report({ type: "closed", connection: id, reason: "full" });
      return;
    }
    let connection: RTCPeerConnection;
    try {
      connection = this.#window.createConnection({ iceServers: this.#iceServers });
    } catch {
      // "Cannot create so many PeerConnections", or WebRTC switched off by a policy: both mean none for now.
      this.#report({ type: "closed", connection: id, reason: "full" });
      return;
    }
    this.#connections.set(id, connection);
    connection.onconnectionstatechange = () => {
      this.#onState(id, connection.connectionState);
    };
    this.#guard(id, run);
  }

  async #makeOffer(id: ConnectionId, connection: RTCPeerConnection, urgent: boolean): Promise<void> {
    this.#handOver(id, "negotiated", negotiatedChannel(connection));
    // A native peer cannot agree on an id beforehand; towards a browser this second channel stays unused.
    this.#handOver(id, "in_band", connection.createDataChannel(CHANNEL_LABEL));
    await connection.setLocalDescription();
    const describe = () => {
      this.#describe(id, connection);
    };
    if (urgent || this.#hurried.has(id) || !this.#connections.has(id)) {
      describe();
      return;
    }
    // An offer that lies at the coordinator until a match comes is better complete than quick: with what a STUN server saw.
    connection.onicecandidate = ({ candidate }) => {
      if (candidate?.type === "srflx") this.#waiting.get(id)?.();
    };
    this.#gathered(id, connection, describe);
  }

  async #takeOffer(id: ConnectionId, connection: RTCPeerConnection, sdp: string): Promise<void> {
    this.#handOver(id, "negotiated", negotiatedChannel(connection));
    await this.#setRemote(id, connection, { type: "offer", sdp });
    await connection.setLocalDescription();
    // Somebody waits for an answer: quick, and all candidates trickled.
    this.#describe(id, connection);
  }

  #handOver(id: ConnectionId, kind: ChannelKind, channel: RTCDataChannel): void {
    // Throws DataCloneError in a browser that cannot move channels; the guard then drops the connection.
    this.#port.postMessage({ type: "channel", connection: id, kind, channel }, [channel]);
  }

  /** Calls `then` at the end of gathering, but not late, and no later than somebody wants it. */
  #gathered(id: ConnectionId, connection: RTCPeerConnection, then: () => void): void {
    const done = () => {
      this.#waiting.delete(id);
      this.#window.clearTimeout(timer);
      connection.onicegatheringstatechange = null;
      then();
    };
    const look = () => {
      if (connection.iceGatheringState === "complete") done();
    };
    const timer = this.#window.setTimeout(done, GATHER_WAIT_MS);
    this.#waiting.set(id, done);
    connection.onicegatheringstatechange = look;
    look();
  }

  /** Hands out the local description with the candidates so far; from here on they are trickled. */
  #describe(id: ConnectionId, connection: RTCPeerConnection): void {
    const sdp = connection.localDescription?.sdp;
    if (this.#connections.get(id) !== connection || sdp === undefined) return;
    connection.onicecandidate = (event) => {
      // The empty candidate marks the end of a generation: nothing to relay. Over TCP no browser accepts connections, so
      // two that could only open some do not meet.
      if (event.candidate === null) this.#tellGathered(id, connection);
      else if (event.candidate.candidate !== "" && event.candidate.protocol !== "tcp")
        this.#report({ type: "candidate", connection: id, candidate: plainCandidate(event.candidate) });
    };
    this.#report({ type: "description", connection: id, sdp });
    if (connection.iceGatheringState === "complete") this.#tellGathered(id, connection);
  }

  #tellGathered(id: ConnectionId, { localDescription }: RTCPeerConnection): void {
    this.#report({ type: "gathered", connection: id, sdp: localDescription?.sdp ?? "" });
  }

  async #setRemote(
    id: ConnectionId,
    connection: RTCPeerConnection,
    description: RTCSessionDescriptionInit,
  ): Promise<void> {
    await connection.setRemoteDescription(description);
    const early = this.#early.get(id) ?? [];
    this.#early.delete(id);
    for (const candidate of early) await connection.addIceCandidate(browserCandidate(candidate)).catch(ignored);
  }

  #addCandidate(id: ConnectionId, candidate: IceCandidate): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    if (connection.remoteDescription === null) {
      const early = this.#early.get(id) ?? [];
      if (early.length < EARLY_CANDIDATES_MAX) early.push(candidate);
      this.#early.set(id, early);
      return;
    }
    // A candidate that this browser cannot use (an unknown transport, a name that does not resolve) is no failure:
    // others may connect.
    void connection.addIceCandidate(browserCandidate(candidate)).catch(ignored);
  }

  #onState(id: ConnectionId, state: RTCPeerConnectionState): void {
    if (!this.#connections.has(id)) return;
    if (state === "failed") this.#drop(id, "failed");
    else if (state === "closed") this.#drop(id, "remote");
  }

  #guard(id: ConnectionId, run: (connection: RTCPeerConnection) => Promise<void>): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    run(connection).catch(() => {
      this.#drop(id, "refused");
    });
  }

  #drop(id: ConnectionId, reason: CloseReason): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    this.#connections.delete(id);
    this.#early.delete(id);
    this.#hurried.delete(id);
    this.#waiting.get(id)?.();
    connection.onicecandidate = null;
    const close = () => {
      connection.close();
    };
    if (this.#settles) this.#gathered(id, connection, close);
    else close();
    this.#report({ type: "closed", connection: id, reason });
  }

  #closeAll(reason: CloseReason): void {
    for (const id of [...this.#connections.keys()]) this.#drop(id, reason);
    for (const done of this.#waiting.values()) done();
  }

  #report(report: RtcReport): void {
    this.#port.postMessage(report, []);
  }
}

/** More candidates than any machine gathers (one per interface and server); strangers send these. */
const EARLY_CANDIDATES_MAX = 32;

function serversAt(stunUrls: readonly string[]): RTCIceServer[] {
  return stunUrls.length === 0 ? [] : [{ urls: [...stunUrls] }];
}

function negotiatedChannel(connection: RTCPeerConnection): RTCDataChannel {
  return connection.createDataChannel(CHANNEL_LABEL, { negotiated: true, id: NEGOTIATED_CHANNEL_ID });
}

function plainCandidate(candidate: RTCIceCandidate): IceCandidate {
  return {
    candidate: candidate.candidate,
    sdpMid: candidate.sdpMid ?? undefined,
    sdpMLineIndex: candidate.sdpMLineIndex ?? undefined,
  };
}

function browserCandidate(candidate: IceCandidate): RTCIceCandidateInit {
  return {
    candidate: candidate.candidate,
    sdpMid: candidate.sdpMid ?? null,
    sdpMLineIndex: candidate.sdpMLineIndex ?? null,
  };
}

/** For rejections that are no failure of the connection; each use says why. */
function ignored(): void {
  return;
}

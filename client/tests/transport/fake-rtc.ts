/** Windows that keep no connections but pipes in memory: what `RtcHost` does, as far as workers can tell. */
import type { RtcClientPort } from "../../src/transport/rtc-client.ts";
import type { ConnectionId, RtcCommand, RtcReport } from "../../src/transport/rtc-messages.ts";

/** What channels of a window have in common. */
interface Line {
  /** Types of frames that are lost. */
  readonly muted: ReadonlySet<number>;
  /** Whether what was sent leaves the queue. */
  readonly drains: boolean;
}

/** One end of a channel. */
class FakeChannel {
  readyState = "connecting";
  binaryType = "";
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onbufferedamountlow: (() => void) | null = null;
  onclose: (() => void) | null = null;
  other: FakeChannel | undefined;
  sentBytes = 0;
  readonly #line: Line;

  constructor(line: Line) {
    this.#line = line;
  }

  open(other: FakeChannel): void {
    this.other = other;
    this.readyState = "open";
    this.onopen?.();
  }

  send(bytes: Uint8Array): void {
    if (this.readyState !== "open") throw new Error("InvalidStateError");
    this.sentBytes += bytes.length;
    if (!this.#line.drains) this.bufferedAmount += bytes.length;
    if (this.#line.muted.has(bytes[0] ?? 0)) return;
    const copy = bytes.slice().buffer;
    const { other } = this;
    setImmediate(() => other?.onmessage?.({ data: copy }));
  }

  close(): void {
    if (this.readyState === "closed") return;
    this.readyState = "closed";
    const { other } = this;
    setImmediate(() => {
      this.onclose?.();
      other?.close();
    });
  }
}

interface Connection {
  readonly owner: FakeWindow;
  readonly id: ConnectionId;
  readonly negotiated: FakeChannel;
  readonly inBand: FakeChannel | undefined;
  readonly sdp: string;
  remote: Connection | undefined;
}

/** All windows of one test: a description names its connection by a fingerprint. */
export class FakeNetwork {
  readonly #bySdp = new Map<string, Connection>();
  #count = 0;

  window(): FakeWindow {
    return new FakeWindow(this);
  }

  sdp(): string {
    this.#count += 1;
    const fingerprint = Array.from({ length: 32 }, () => this.#count.toString(16).padStart(2, "0")).join(":");
    return `v=0\r\na=fingerprint:sha-256 ${fingerprint}\r\n`;
  }

  add(connection: Connection): void {
    this.#bySdp.set(connection.sdp, connection);
  }

  find(sdp: string): Connection | undefined {
    return this.#bySdp.get(sdp);
  }
}

export class FakeWindow implements RtcClientPort, Line {
  onmessage: ((event: MessageEvent<RtcReport>) => void) | null = null;
  readonly commands: RtcCommand[] = [];
  /** Types of frames that its channels lose. */
  readonly muted = new Set<number>();
  drains = true;
  readonly #network: FakeNetwork;
  readonly #live = new Map<ConnectionId, Connection>();

  constructor(network: FakeNetwork) {
    this.#network = network;
  }

  get connections(): number {
    return this.#live.size;
  }

  /** Bytes sent on all channels of this window. */
  get sentBytes(): number {
    return [...this.#live.values()].reduce((sum, { negotiated }) => sum + negotiated.sentBytes, 0);
  }

  /** Empties the queues that did not drain. */
  drain(): void {
    this.drains = true;
    for (const { negotiated } of this.#live.values()) {
      negotiated.bufferedAmount = 0;
      negotiated.onbufferedamountlow?.();
    }
  }

  /** As `pc.close()` and closed tabs do. */
  closeAll(): void {
    for (const id of [...this.#live.keys()]) this.#close(id);
  }

  postMessage(command: RtcCommand): void {
    this.commands.push(command);
    setImmediate(() => {
      this.#obey(command);
    });
  }

  #obey(command: RtcCommand): void {
    switch (command.type) {
      case "make_offer":
        this.#make(command.connection, new FakeChannel(this));
        return;
      case "take_offer": {
        const made = this.#make(command.connection, undefined);
        const offerer = this.#network.find(command.sdp);
        made.remote = offerer;
        return;
      }
      case "take_answer": {
        const offerer = this.#live.get(command.connection);
        const answerer = this.#network.find(command.sdp);
        if (offerer === undefined || answerer === undefined) return;
        offerer.remote = answerer;
        offerer.negotiated.open(answerer.negotiated);
        answerer.negotiated.open(offerer.negotiated);
        return;
      }
      case "close":
        this.#close(command.connection);
        return;
      case "hurry": // offers come at once here
      case "add_candidate":
      case "configure":
        return;
    }
  }

  #make(id: ConnectionId, inBand: FakeChannel | undefined): Connection {
    const connection: Connection = {
      owner: this,
      id,
      negotiated: new FakeChannel(this),
      inBand,
      sdp: this.#network.sdp(),
      remote: undefined,
    };
    this.#live.set(id, connection);
    this.#network.add(connection);
    this.#channel(id, "negotiated", connection.negotiated);
    if (inBand !== undefined) this.#channel(id, "in_band", inBand);
    this.#report({ type: "description", connection: id, sdp: connection.sdp });
    const candidate = { candidate: `candidate:${id}`, sdpMid: "0", sdpMLineIndex: 0 };
    this.#report({ type: "candidate", connection: id, candidate });
    return connection;
  }

  #channel(connection: ConnectionId, kind: "negotiated" | "in_band", channel: FakeChannel): void {
    // as: what links use of a channel is there
    this.#report({ type: "channel", connection, kind, channel: channel as unknown as RTCDataChannel });
  }

  #close(id: ConnectionId): void {
    const connection = this.#live.get(id);
    if (connection === undefined) return;
    this.#live.delete(id);
    connection.negotiated.close();
    this.#report({ type: "closed", connection: id, reason: "asked" });
  }

  #report(report: RtcReport): void {
    this.onmessage?.({ data: report } as MessageEvent<RtcReport>); // as: only `data` is read
  }
}

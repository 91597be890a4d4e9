/** The window's half of WebRTC, over connections that are none. Real ones are in tests/browser. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CONNECTIONS_MAX,
  GATHER_WAIT_MS,
  RtcHost,
  type RtcHostPort,
  type RtcHostWindow,
} from "../../src/transport/rtc-host.ts";
import type { RtcCommand, RtcReport } from "../../src/transport/rtc-messages.ts";
import { settled } from "./fake-clock.ts";

class FakeConnection {
  iceGatheringState = "new";
  connectionState = "new";
  localDescription: { sdp: string } | null = null;
  remoteDescription: unknown = null;
  onicecandidate: ((event: unknown) => void) | null = null;
  onicegatheringstatechange: (() => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  closed = false;
  readonly channels: unknown[] = [];
  readonly candidates: unknown[] = [];

  createDataChannel(label: string, options: object = {}): unknown {
    const channel = { label, ...options };
    this.channels.push(channel);
    return channel;
  }

  setLocalDescription(): Promise<void> {
    this.localDescription = { sdp: "local" };
    this.iceGatheringState = "gathering";
    return Promise.resolve();
  }

  setRemoteDescription(description: { sdp: string }): Promise<void> {
    if (description.sdp === "nonsense") return Promise.reject(new Error("OperationError"));
    this.remoteDescription = description;
    return Promise.resolve();
  }

  addIceCandidate(candidate: unknown): Promise<void> {
    if (this.remoteDescription === null) return Promise.reject(new Error("InvalidStateError"));
    this.candidates.push(candidate);
    return Promise.resolve();
  }

  close(): void {
    this.closed = true;
  }
}

class Scene {
  readonly reports: RtcReport[] = [];
  readonly made: { connection: FakeConnection; configuration: RTCConfiguration }[] = [];
  readonly timers: { run: () => void; delayMs: number }[] = [];
  hide: () => void = () => undefined;
  most = Infinity;
  readonly port: RtcHostPort = {
    postMessage: (report, transfer) => {
      assert.deepEqual(transfer, report.type === "channel" ? [report.channel] : []);
      this.reports.push(report);
    },
    onmessage: null,
    close: () => undefined,
  };
  readonly host: RtcHost;
  readonly #window: RtcHostWindow = {
    createConnection: (configuration) => {
      if (this.made.length >= this.most) throw new Error("UnknownError: Cannot create so many PeerConnections");
      const connection = new FakeConnection();
      this.made.push({ connection, configuration });
      return connection as unknown as RTCPeerConnection; // as: what the host uses is there
    },
    addEventListener: (_type, listener) => {
      this.hide = listener;
    },
    removeEventListener: () => undefined,
    setTimeout: (run, delayMs) => this.timers.push({ run, delayMs }),
    clearTimeout: () => undefined,
  };

  /** @param stunUrls servers that it knows from the beginning. */
  constructor(stunUrls: readonly string[] = [], settles = false) {
    this.host = new RtcHost(this.port, this.#window, stunUrls, settles);
  }

  async tell(...commands: RtcCommand[]): Promise<void> {
    for (const data of commands) this.port.onmessage?.({ data } as MessageEvent<RtcCommand>); // as: only `data` is read
    await settled();
  }

  connection(index = 0): FakeConnection {
    const made = this.made[index];
    assert.ok(made !== undefined);
    return made.connection;
  }

  get types(): string[] {
    return this.reports.map((report) => report.type);
  }
}

test("an offer that somebody waits for is handed out before gathering ends", async () => {
  const scene = new Scene();
  await scene.tell({ type: "make_offer", connection: 1, urgent: false });
  assert.deepEqual(scene.types, ["channel", "channel"]);
  await scene.tell(
    { type: "hurry", connection: 1 },
    { type: "hurry", connection: 1 },
    { type: "hurry", connection: 7 },
  );
  assert.deepEqual(scene.types, ["channel", "channel", "description"]);
});

test("an offer: both channels first, the description when gathering ends, later candidates trickled", async () => {
  const scene = new Scene();
  await scene.tell({ type: "configure", stunUrls: ["stun:a:1"] }, { type: "make_offer", connection: 1, urgent: false });
  assert.deepEqual(scene.made[0]?.configuration, { iceServers: [{ urls: ["stun:a:1"] }] });
  assert.deepEqual(scene.connection().channels, [{ label: "dio", negotiated: true, id: 100 }, { label: "dio" }]);
  assert.deepEqual(scene.types, ["channel", "channel"]);
  scene.connection().iceGatheringState = "complete";
  scene.connection().onicegatheringstatechange?.();
  await settled();
  assert.deepEqual(scene.reports.slice(2), [
    { type: "description", connection: 1, sdp: "local" },
    { type: "gathered", connection: 1, sdp: "local" },
  ]);
  const candidate = { candidate: "candidate:1", sdpMid: null, sdpMLineIndex: 0 };
  scene.connection().onicecandidate?.({ candidate });
  scene.connection().onicecandidate?.({ candidate: { ...candidate, candidate: "" } });
  scene.connection().onicecandidate?.({ candidate: { ...candidate, protocol: "tcp" } });
  assert.deepEqual(scene.reports.slice(4), [
    {
      type: "candidate",
      connection: 1,
      candidate: { candidate: "candidate:1", sdpMid: undefined, sdpMLineIndex: 0 },
    },
  ]);
});

test("an offer is handed out with what a STUN server saw; only what comes later is trickled", async () => {
  const scene = new Scene(["stun:a:1"]);
  await scene.tell({ type: "make_offer", connection: 1, urgent: false });
  assert.deepEqual(scene.made[0]?.configuration, { iceServers: [{ urls: ["stun:a:1"] }] });
  const candidate = { candidate: "candidate:1", sdpMid: null, sdpMLineIndex: 0 };
  scene.connection().onicecandidate?.({ candidate: { ...candidate, type: "host" } });
  await settled();
  assert.deepEqual(scene.types, ["channel", "channel"]);
  scene.connection().onicecandidate?.({ candidate: { ...candidate, type: "srflx" } });
  await settled();
  assert.deepEqual(scene.types, ["channel", "channel", "description"]);
  scene.connection().onicecandidate?.({ candidate });
  assert.deepEqual(scene.types, ["channel", "channel", "description", "candidate"]);
});

test("the end of gathering is told with all candidates, also when the description went out before", async () => {
  const scene = new Scene(["stun:a:1"]);
  await scene.tell({ type: "make_offer", connection: 1, urgent: true });
  scene.connection().localDescription = { sdp: "local and a candidate" };
  scene.connection().onicecandidate?.({ candidate: null });
  assert.deepEqual(scene.reports.at(-1), { type: "gathered", connection: 1, sdp: "local and a candidate" });
});

test("a STUN server that does not answer holds an offer up for 300 ms and no longer", async () => {
  const scene = new Scene();
  await scene.tell({ type: "make_offer", connection: 1, urgent: false });
  assert.equal(scene.timers[0]?.delayMs, GATHER_WAIT_MS);
  scene.timers[0].run();
  await settled();
  assert.equal(scene.types.at(-1), "description");
});

test("an urgent offer waits for nothing", async () => {
  const scene = new Scene();
  await scene.tell({ type: "make_offer", connection: 1, urgent: true });
  assert.equal(scene.types.at(-1), "description");
});

test("an answer waits for nothing; candidates that came before the offer was set are not lost", async () => {
  const scene = new Scene();
  const candidate = { candidate: "candidate:1", sdpMid: "0", sdpMLineIndex: undefined };
  await scene.tell(
    { type: "take_offer", connection: 1, sdp: "remote" },
    { type: "add_candidate", connection: 1, candidate },
  );
  assert.deepEqual(scene.types, ["channel", "description"]);
  assert.deepEqual(scene.connection().candidates, [{ candidate: "candidate:1", sdpMid: "0", sdpMLineIndex: null }]);
});

test("a description that the browser refuses ends its connection, and no other", async () => {
  const scene = new Scene();
  await scene.tell(
    { type: "take_offer", connection: 1, sdp: "nonsense" },
    { type: "take_offer", connection: 2, sdp: "remote" },
  );
  assert.deepEqual(
    scene.reports.filter((report) => report.type === "closed"),
    [{ type: "closed", connection: 1, reason: "refused" }],
  );
  assert.ok(scene.connection(0).closed);
  assert.equal(scene.host.connections, 1);
});

test("more connections than allowed are not made, neither by our measure nor by the browser's", async () => {
  const scene = new Scene();
  for (let id = 1; id <= CONNECTIONS_MAX + 1; id += 1)
    await scene.tell({ type: "make_offer", connection: id, urgent: false });
  assert.equal(scene.made.length, CONNECTIONS_MAX);
  assert.deepEqual(scene.reports.at(-1), { type: "closed", connection: CONNECTIONS_MAX + 1, reason: "full" });
  const poor = new Scene();
  poor.most = 0;
  await poor.tell({ type: "make_offer", connection: 1, urgent: false });
  assert.deepEqual(poor.reports, [{ type: "closed", connection: 1, reason: "full" }]);
});

test("a connection that fails is closed and told once", async () => {
  const scene = new Scene();
  await scene.tell({ type: "take_offer", connection: 1, sdp: "remote" });
  scene.connection().connectionState = "failed";
  scene.connection().onconnectionstatechange?.();
  await scene.tell({ type: "close", connection: 1 });
  assert.deepEqual(
    scene.reports.filter((report) => report.type === "closed"),
    [{ type: "closed", connection: 1, reason: "failed" }],
  );
});

test("a connection that still gathers is closed when it has, since Chromium keeps it for ever otherwise", async () => {
  const scene = new Scene([], true);
  await scene.tell({ type: "take_offer", connection: 1, sdp: "remote" }, { type: "close", connection: 1 });
  assert.deepEqual(scene.reports.at(-1), { type: "closed", connection: 1, reason: "asked" });
  assert.equal(scene.host.connections, 0);
  const connection = scene.connection();
  assert.equal(connection.closed, false);
  connection.onicegatheringstatechange?.();
  assert.equal(connection.closed, false, "it gathers still");
  connection.iceGatheringState = "complete";
  connection.onicegatheringstatechange?.();
  assert.ok(connection.closed);
  assert.equal(connection.onicegatheringstatechange, null);
});

test("a connection that gathers for long is closed after 300 ms, one that has gathered at once", async () => {
  const scene = new Scene([], true);
  await scene.tell({ type: "take_offer", connection: 1, sdp: "remote" }, { type: "close", connection: 1 });
  assert.equal(scene.timers[0]?.delayMs, GATHER_WAIT_MS);
  scene.timers[0].run();
  assert.ok(scene.connection().closed);
  await scene.tell({ type: "take_offer", connection: 2, sdp: "remote" });
  scene.connection(1).iceGatheringState = "complete";
  await scene.tell({ type: "close", connection: 2 });
  assert.ok(scene.connection(1).closed);
});

test("a page that is left soon closes all at once: with an open connection it is not kept for the way back", async () => {
  const scene = new Scene();
  await scene.tell({ type: "take_offer", connection: 1, sdp: "remote" }, { type: "close", connection: 1 });
  assert.ok(scene.connection().closed);
});

test("leaving the page closes everything, also what only waits for the end of its gathering", async () => {
  const scene = new Scene([], true);
  await scene.tell(
    { type: "make_offer", connection: 1, urgent: false },
    { type: "make_offer", connection: 2, urgent: false },
    { type: "close", connection: 2 },
  );
  scene.hide();
  assert.ok(scene.made.every(({ connection }) => connection.closed));
  assert.equal(scene.host.connections, 0);
});

test("commands for connections that are gone do nothing", async () => {
  const scene = new Scene();
  await scene.tell(
    { type: "close", connection: 9 },
    { type: "take_answer", connection: 9, sdp: "x" },
    { type: "add_candidate", connection: 9, candidate: { candidate: "c" } },
  );
  assert.deepEqual(scene.reports, []);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  SessionClient,
  type SessionMessage,
  type SessionSocket,
  type SessionWorld,
} from "../../src/transport/session-client.ts";
import type { ErrorCode } from "../../src/wire/messages.ts";
import { FakeClock } from "./fake-clock.ts";
import { WELCOME } from "./fake-coordinator.ts";

class FakeSocket implements SessionSocket {
  readonly #listeners: { type: string; listener: (event: { data: unknown }) => void; signal?: AbortSignal }[] = [];
  bufferedAmount = 0;
  readonly sent: { type: string }[] = [];
  closed = false;

  addEventListener(
    type: string,
    listener: (event: { data: unknown }) => void,
    options: { signal?: AbortSignal } = {},
  ): void {
    this.#listeners.push({ type, listener, ...options });
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as { type: string }); // as: what a client writes has a type
  }

  close(): void {
    this.closed = true;
  }

  open(): void {
    this.#dispatch("open");
  }

  hear(message: unknown): void {
    const data = typeof message === "string" || message instanceof ArrayBuffer ? message : JSON.stringify(message);
    this.#dispatch("message", data);
  }

  end(): void {
    this.#dispatch("close");
  }

  #dispatch(type: string, data?: unknown): void {
    for (const { listener, signal } of this.#listeners.filter((other) => other.type === type)) {
      if (signal?.aborted !== true) listener({ data });
    }
  }
}

/** A client, its sockets, and what it was told. */
class Scene {
  readonly clock = new FakeClock();
  readonly sockets: FakeSocket[] = [];
  readonly messages: SessionMessage[] = [];
  readonly lost: [ErrorCode | undefined, number][] = [];
  welcomes = 0;
  refuse = false;
  readonly client: SessionClient;

  constructor() {
    const timers = new Map<number, () => void>();
    const world: SessionWorld = {
      connect: () => {
        if (this.refuse) throw new Error("SecurityError");
        const socket = new FakeSocket();
        this.sockets.push(socket);
        return socket;
      },
      nowMs: () => this.clock.nowUs() / 1_000,
      chance: () => 0.5,
      setTimeout: (callback, delayMs) => {
        const timer = timers.size + 1;
        timers.set(timer, this.clock.after(delayMs * 1_000, callback));
        return timer;
      },
      clearTimeout: (timer) => timers.get(timer)?.(),
    };
    this.client = new SessionClient(
      "wss://coordinator.example/api/v1/ws",
      "test",
      {
        onWelcome: () => {
          this.welcomes += 1;
        },
        onMessage: (message) => this.messages.push(message),
        onLost: (code, retryMs) => this.lost.push([code, retryMs]),
      },
      world,
    );
  }

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    assert.ok(socket !== undefined);
    return socket;
  }

  welcome(): void {
    this.socket.open();
    this.socket.hear(WELCOME);
  }

  seconds(seconds: number): Promise<void> {
    return this.clock.pass(seconds * 1_000_000);
  }
}

test("hello comes first, and nothing goes out before the welcome", () => {
  const scene = new Scene();
  assert.equal(scene.client.send({ type: "stop_donating" }), false);
  scene.socket.open();
  assert.deepEqual(scene.socket.sent, [{ type: "hello", protocol: 1, agent: "test", page: null }]);
  assert.equal(scene.client.send({ type: "stop_donating" }), false);
  scene.socket.hear(WELCOME);
  assert.equal(scene.welcomes, 1);
  assert.equal(scene.client.send({ type: "stop_donating" }), true);
  assert.deepEqual(scene.socket.sent.at(-1), { type: "stop_donating" });
});

test("pings keep the session; silence ends it", async () => {
  const scene = new Scene();
  scene.welcome();
  for (let beat = 0; beat < 4; beat += 1) {
    await scene.seconds(25);
    assert.deepEqual(scene.socket.sent.at(-1), { type: "ping" });
    scene.socket.hear({ type: "pong" });
  }
  assert.equal(scene.sockets.length, 1);
  await scene.seconds(100);
  assert.deepEqual(scene.lost[0]?.[0], "idle_timeout");
});

test("a session that ends comes back, each time after a longer wait", async () => {
  const scene = new Scene();
  for (const waitMs of [500, 1_000, 2_000]) {
    scene.socket.end();
    assert.equal(scene.lost.at(-1)?.[1], waitMs);
    const before = scene.sockets.length;
    await scene.clock.pass(waitMs * 1_000 - 1);
    assert.equal(scene.sockets.length, before);
    await scene.clock.pass(1);
    assert.equal(scene.sockets.length, before + 1);
  }
  scene.welcome();
  assert.equal(scene.client.open, true);
});

test("a coordinator that says that it stops is asked again after some seconds", () => {
  const scene = new Scene();
  scene.welcome();
  scene.socket.hear({ type: "error", code: "shutting_down", message: "bye", fatal: true });
  scene.socket.end();
  assert.deepEqual(scene.lost, [["shutting_down", 5_500]]);
});

test("no welcome in ten seconds is no session", async () => {
  const scene = new Scene();
  scene.socket.open();
  await scene.seconds(10);
  assert.equal(scene.lost[0]?.[0], "coordinator_unreachable");
  assert.ok(scene.sockets[0]?.closed);
});

test("an address that the page may not connect to is tried again like any other", async () => {
  const scene = new Scene();
  scene.refuse = true;
  scene.socket.end();
  await scene.seconds(2);
  assert.equal(scene.lost.at(-1)?.[0], "coordinator_unreachable");
});

for (const [why, message] of Object.entries({
  "no JSON": "{",
  "no object": "[]",
  "a missing field": { type: "match_ended", match_id: "0".repeat(32) },
  binary: new ArrayBuffer(3),
  "too much": JSON.stringify({ type: "error", code: "full", fatal: false, message: "x".repeat(200_000) }),
})) {
  test(`what cannot be understood ends the session: ${why}`, () => {
    const scene = new Scene();
    scene.welcome();
    scene.socket.hear(message);
    assert.equal(scene.lost[0]?.[0], "message_malformed");
    assert.deepEqual(scene.messages, []);
  });
}

test("a message of a later version is passed over", () => {
  const scene = new Scene();
  scene.welcome();
  scene.socket.hear({ type: "confetti" });
  scene.socket.hear({ type: "withdrawn", file_id: "a".repeat(64), reason: "unknown field" });
  assert.deepEqual(scene.messages, [{ type: "withdrawn", file_id: "a".repeat(64) }]);
  assert.deepEqual(scene.lost, []);
});

test("a coordinator that does not read is left, and its socket closed", () => {
  const scene = new Scene();
  scene.welcome();
  scene.socket.bufferedAmount = 2_000_000;
  assert.equal(scene.client.send({ type: "stop_donating" }), false);
  assert.equal(scene.lost[0]?.[0], "slow_reader");
  assert.ok(scene.socket.closed);
});

test("closed is closed: nothing is heard, sent or tried any more", async () => {
  const scene = new Scene();
  scene.welcome();
  scene.client.close();
  scene.socket.hear({ type: "withdrawn", file_id: "a".repeat(64) });
  scene.socket.end();
  await scene.seconds(200);
  assert.equal(scene.sockets.length, 1);
  assert.deepEqual(scene.messages, []);
  assert.deepEqual(scene.lost, []);
  assert.equal(scene.client.send({ type: "stop_donating" }), false);
});

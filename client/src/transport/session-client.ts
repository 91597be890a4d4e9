/**
 * A peer's session with a coordinator (spec/session.md) that comes back by itself.
 *
 * Does: connect, say hello, keep the heartbeat, check every message that comes in, reconnect with backoff. Does not know
 * what the messages mean: on every `onWelcome` its owner says anew what it wants or holds, since the coordinator may have
 * forgotten everything (it keeps soft state only).
 *
 * Messages that are sent while there is no welcome are dropped, not queued: what matters is said again after the next one.
 */

import { Backoff } from "../core/session-backoff.ts";
import { decodeCoordinatorMessage, type Complete } from "../wire/decode.ts";
import { codeOf, RemoteProtocolError } from "../wire/errors.ts";
import {
  HELLO_TIMEOUT_MS,
  IDLE_TIMEOUT_MS,
  OUTBOUND_BYTES_MAX,
  PROTOCOL_VERSION,
  type ClientMessage,
  type CoordinatorMessage,
  type ErrorCode,
  type Welcome,
} from "../wire/messages.ts";

/** The parts of a `WebSocket` that are used here. */
export interface SessionSocket {
  readonly bufferedAmount: number;
  send(text: string): void;
  close(code?: number): void;
  addEventListener(type: "open" | "close", listener: () => void, options?: { signal: AbortSignal }): void;
  addEventListener(
    type: "message",
    listener: (event: { readonly data: unknown }) => void,
    options?: { signal: AbortSignal },
  ): void;
}

/** Time, chance and the network, so that tests need none of them. */
export interface SessionWorld {
  connect(url: string): SessionSocket;
  /** Monotonic milliseconds. */
  nowMs(): number;
  /** A random number in [0, 1). */
  chance(): number;
  setTimeout(callback: () => void, delayMs: number): number;
  clearTimeout(timer: number): void;
}

/** A message of the coordinator other than `welcome` and `pong`, which the session keeps to itself. */
export type SessionMessage = Exclude<Complete<CoordinatorMessage>, { type: "welcome" | "pong" }>;

export interface SessionEvents {
  /** A session has begun; everything has to be said anew. */
  onWelcome(welcome: Complete<Welcome>): void;
  onMessage(message: SessionMessage): void;
  /** The session has ended; another one is tried after `retryMs`. `code` is what the coordinator said last, if anything. */
  onLost(code: ErrorCode | undefined, retryMs: number): void;
}

/** The real world of a worker or window. */
export function browserSessionWorld(): SessionWorld {
  return {
    connect: (url) => new WebSocket(url),
    nowMs: () => performance.now(),
    chance: () => Math.random(),
    setTimeout: (callback, delayMs) => self.setTimeout(callback, delayMs),
    clearTimeout: (timer) => {
      self.clearTimeout(timer);
    },
  };
}

export class SessionClient {
  readonly #url: string;
  readonly #agent: string;
  readonly #page: string | null;
  readonly #world: SessionWorld;
  readonly #events: SessionEvents;
  readonly #backoff = new Backoff();
  #socket: SessionSocket | undefined;
  /** Ends the listening to a socket that was given up. */
  #listening: AbortController | undefined;
  #welcomedMs: number | undefined;
  #heardMs = 0;
  #heartbeatMs = 0;
  #timer: number | undefined;
  #lastError: ErrorCode | undefined;
  #closed = false;

  /**
   * @param url the coordinator's `session_url`.
   * @param agent at most 64 characters that name the program, for the operator.
   * @param page a random name of the page, where it may have another session: 32 hexadecimal digits.
   */
  constructor(url: string, agent: string, events: SessionEvents, world: SessionWorld, page: string | null = null) {
    this.#url = url;
    this.#agent = agent;
    this.#page = page;
    this.#events = events;
    this.#world = world;
    this.#connect();
  }

  /** Whether the coordinator has welcomed this session and it has not ended. */
  get open(): boolean {
    return this.#welcomedMs !== undefined;
  }

  /** Sends a message; says whether there was a session to send it in. */
  send(message: ClientMessage): boolean {
    if (this.#socket === undefined || this.#welcomedMs === undefined) return false;
    if (this.#socket.bufferedAmount > OUTBOUND_BYTES_MAX) {
      // The coordinator does not read: a new session is cheaper than a queue without end.
      this.#lost("slow_reader");
      return false;
    }
    this.#write(message);
    return true;
  }

  /** Ends the session for good. */
  close(): void {
    this.#closed = true;
    this.#drop();
  }

  #connect(): void {
    let socket: SessionSocket;
    try {
      socket = this.#world.connect(this.#url);
    } catch {
      // A URL that the page may not connect to (mixed content, a content security policy).
      this.#lost("coordinator_unreachable");
      return;
    }
    this.#socket = socket;
    this.#lastError = undefined;
    const listening = new AbortController();
    this.#listening = listening;
    const options = { signal: listening.signal };
    socket.addEventListener(
      "open",
      () => {
        this.#heardMs = this.#world.nowMs();
        this.#write({ type: "hello", protocol: PROTOCOL_VERSION, agent: this.#agent, page: this.#page });
      },
      options,
    );
    socket.addEventListener(
      "message",
      (event) => {
        this.#hear(event.data);
      },
      options,
    );
    socket.addEventListener(
      "close",
      () => {
        this.#lost(this.#lastError);
      },
      options,
    );
    this.#arm(HELLO_TIMEOUT_MS, () => {
      this.#lost("coordinator_unreachable");
    });
  }

  #hear(data: unknown): void {
    let message: Complete<CoordinatorMessage>;
    try {
      if (typeof data !== "string") {
        throw new RemoteProtocolError("message_malformed");
      }
      message = decodeCoordinatorMessage(data);
    } catch (error) {
      if (codeOf(error, "message_malformed") === "message_unknown") return; // of a later version
      this.#lost("message_malformed");
      return;
    }
    this.#heardMs = this.#world.nowMs();
    if (message.type === "pong") return;
    if (message.type === "welcome") {
      if (this.#welcomedMs !== undefined) return;
      this.#welcomedMs = this.#heardMs;
      this.#heartbeatMs = Math.min(IDLE_TIMEOUT_MS / 2, Math.max(1_000, message.heartbeat_ms));
      this.#beat();
      this.#events.onWelcome(message);
      return;
    }
    // as: a code of a later version is only passed on as a text.
    if (message.type === "error" && message.fatal) this.#lastError = message.code as ErrorCode;
    if (this.#welcomedMs !== undefined) this.#events.onMessage(message);
  }

  /** Pings when nothing else was said for a heartbeat; gives the session up when nothing at all was heard for two. */
  #beat(): void {
    this.#arm(this.#heartbeatMs, () => {
      const nowMs = this.#world.nowMs();
      if (nowMs - this.#heardMs > 2 * this.#heartbeatMs + HELLO_TIMEOUT_MS) {
        this.#lost("idle_timeout");
        return;
      }
      // Ping even if other messages went out: their answers are not guaranteed, a pong is.
      this.#write({ type: "ping" });
      this.#beat();
    });
  }

  #write(message: ClientMessage): void {
    this.#socket?.send(JSON.stringify(message));
  }

  #lost(code: ErrorCode | undefined): void {
    const livedMs = this.#welcomedMs === undefined ? 0 : this.#world.nowMs() - this.#welcomedMs;
    this.#drop();
    if (this.#closed) return;
    const chance = this.#world.chance();
    const backoffMs = this.#backoff.failed(livedMs, chance);
    // A coordinator that says that it stops is soon back: not all at once, and not with a minute's wait.
    const retryMs = code === "shutting_down" ? Math.floor(1_000 + 9_000 * chance) : backoffMs;
    this.#arm(retryMs, () => {
      this.#connect();
    });
    this.#events.onLost(code, retryMs);
  }

  #drop(): void {
    if (this.#timer !== undefined) this.#world.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#welcomedMs = undefined;
    this.#listening?.abort();
    this.#socket?.close(1000);
    this.#socket = undefined;
  }

  #arm(delayMs: number, then: () => void): void {
    if (this.#timer !== undefined) this.#world.clearTimeout(this.#timer);
    this.#timer = this.#world.setTimeout(then, delayMs);
  }
}

/** A whole donor: real session, store, filling and serving, over a disk, mirrors and a coordinator in memory. */
import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { NO_LIMITS, type Charged, type LocalTime } from "../../src/core/allowance.ts";
import { Donor } from "../../src/donate/donor.ts";
import type { DonorSettings, DonorStatus } from "../../src/donate/messages.ts";
import { STORE_FOLDER } from "../../src/storage/segment-store.ts";
import type { SessionSocket } from "../../src/transport/session-client.ts";
import type { ClientMessage, CoordinatorMessage } from "../../src/wire/messages.ts";
import { FakeFolder } from "../storage/fake-folder.ts";
import { FakeClock } from "../transport/fake-clock.ts";
import { WELCOME } from "../transport/fake-coordinator.ts";
import { FakeNetwork } from "../transport/fake-rtc.ts";
import { FakeCatalogue, FakeMirrors, type MadeFile } from "./fake-mirror.ts";

export const SETTINGS: DonorSettings = {
  storageBytes: 16_000_000,
  upBytesPerS: 1_000_000,
  causes: ["main"],
  takersMax: 8,
  allowance: NO_LIMITS,
};

/** A coordinator's end of a session: keeps what was said, says what it is told to. */
class FakeSession implements SessionSocket {
  readonly bufferedAmount = 0;
  readonly said: ClientMessage[] = [];
  readonly #listeners: { type: string; listener: (event: { data: unknown }) => void; signal?: AbortSignal }[] = [];

  addEventListener(
    type: string,
    listener: (event: { data: unknown }) => void,
    options: { signal?: AbortSignal } = {},
  ): void {
    this.#listeners.push({ type, listener, ...options });
  }

  send(text: string): void {
    const message = JSON.parse(text) as ClientMessage; // as: what a client writes is one
    this.said.push(message);
    // Nobody else gives: what is assigned comes from mirrors.
    if (message.type === "want" && message.peers_max > 0)
      this.tell({ type: "unmatched", file_id: message.file_id, code: "no_donor", retry_after_ms: 15_000 });
  }

  close(): void {
    return;
  }

  dispatch(type: string, data?: unknown): void {
    for (const { listener, signal } of this.#listeners.filter((other) => other.type === type)) {
      if (signal?.aborted !== true) listener({ data });
    }
  }

  tell(message: CoordinatorMessage): void {
    this.dispatch("message", JSON.stringify(message));
  }

  of<Type extends ClientMessage["type"]>(type: Type): Extract<ClientMessage, { type: Type }>[] {
    const is = (message: ClientMessage): message is Extract<ClientMessage, { type: Type }> => message.type === type;
    return this.said.filter(is);
  }
}

export class Scene {
  readonly clock = new FakeClock();
  time: LocalTime = { day: 20_000, month: 24_000, minute: 0 };
  readonly root: FakeFolder;
  readonly mirrors: FakeMirrors;
  readonly files: readonly MadeFile[];
  readonly sessions: FakeSession[] = [];
  readonly statuses: DonorStatus[] = [];
  #assignment = 0;
  readonly #donor: Promise<Donor>;

  constructor(
    files: readonly MadeFile[],
    settings: DonorSettings = SETTINGS,
    root = new FakeFolder(),
    tallySecret = "",
    charged: Charged | null = null,
  ) {
    this.files = files;
    this.root = root;
    this.mirrors = new FakeMirrors(this.clock, ...files);
    const start = {
      coordinatorUrl: "https://c.example",
      sessionUrl: "wss://c.example/ws",
      settings,
      tallySecret,
      charged,
    };
    this.#donor = Donor.start(
      start,
      new FakeNetwork().window(),
      {
        clock: this.clock,
        hmac: (key, message) => Promise.resolve(new Uint8Array(createHmac("sha256", key).update(message).digest())),
        session: {
          connect: () => {
            const session = new FakeSession();
            this.sessions.push(session);
            return session;
          },
          nowMs: () => this.clock.nowUs() / 1_000,
          chance: () => 0,
          setTimeout: (callback, delayMs) => {
            this.#timers.push(this.clock.after(delayMs * 1_000, callback));
            return this.#timers.length - 1;
          },
          clearTimeout: (timer) => this.#timers[timer]?.(),
        },
        root: this.root,
        fetch: this.mirrors.fetch,
        sha256: (bytes) => Promise.resolve(new Uint8Array(createHash("sha256").update(bytes).digest())),
        localTime: () => this.time,
        catalogue: new FakeCatalogue(...files),
      },
      (status) => this.statuses.push(status),
    );
  }

  readonly #timers: (() => void)[] = [];

  get session(): FakeSession {
    const session = this.sessions.at(-1);
    assert.ok(session !== undefined);
    return session;
  }

  get status(): DonorStatus {
    const status = this.statuses.at(-1);
    assert.ok(status !== undefined);
    return status;
  }

  get diskBytes(): number {
    return this.root.folders.get(STORE_FOLDER)?.sizeBytes ?? 0;
  }

  donor(): Promise<Donor> {
    return this.#donor;
  }

  async welcome(): Promise<void> {
    await this.clock.pass(1_000);
    this.session.dispatch("open");
    this.session.tell(WELCOME);
    await this.clock.pass(1_000);
  }

  async assign(...files: readonly { file: MadeFile; runs: readonly number[] }[]): Promise<void> {
    this.#assignment += 1;
    this.session.tell({
      type: "assign",
      assignment: this.#assignment,
      lease_ms: 600_000,
      files: files.map(({ file, runs }) => ({ file_id: file.fileId, runs })),
    });
    await this.clock.pass(5_000_000);
  }
}

/** One downloader and its donors: real code at both ends, pipes for connections, time that a test lets pass. */
import assert from "node:assert/strict";
import { createHash, createHmac, randomBytes } from "node:crypto";
import { toHex } from "../../src/core/hex.ts";
import type { Runs } from "../../src/core/runs.ts";
import { SegmentLayout } from "../../src/core/segment-layout.ts";
import { TAKERS_MAX } from "../../src/donate/messages.ts";
import { Serving, type ServedStore } from "../../src/donate/serving.ts";
import { PeerPool } from "../../src/transport/peer-pool.ts";
import { RtcClient } from "../../src/transport/rtc-client.ts";
import type { RequestSink, Source } from "../../src/transport/source.ts";
import type { ErrorCode } from "../../src/wire/messages.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeCoordinator, WELCOME } from "./fake-coordinator.ts";
import { FakeNetwork, type FakeWindow } from "./fake-rtc.ts";

export const FILE = "f1".repeat(32);
export const SEGMENT_BYTES = 262_144;
export const content = randomBytes(6 * SEGMENT_BYTES + 1_000);
export const layout = new SegmentLayout(content.length, SEGMENT_BYTES);
export const segments = Array.from({ length: layout.count }, (_, index) =>
  content.subarray(layout.startOf(index), layout.endOf(index)),
);
export const digests = segments.map((bytes) => createHash("sha256").update(bytes).digest());
export const segmentList = new Uint8Array(Buffer.concat(digests));
export const hmac = (key: Uint8Array, message: Uint8Array) =>
  Promise.resolve(new Uint8Array(createHmac("sha256", key).update(message).digest()));

/** A store in memory that holds some of the file. */
export class HeldSegments implements ServedStore {
  readonly runs: Runs;
  broken: Error | undefined;

  constructor(runs: Runs) {
    this.runs = runs;
  }

  sizeOf(fileId: string, digest: string): number | undefined {
    const index = digests.findIndex((known) => toHex(known) === digest);
    const held = fileId === FILE && this.runs.some(([start, end]) => index >= start && index < end);
    return held ? layout.lengthOf(index) : undefined;
  }

  holdings(fileId: string): Runs {
    return fileId === FILE ? this.runs : [];
  }

  read(digest: string, offset: number, target: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.broken !== undefined) return Promise.reject(this.broken);
    const index = digests.findIndex((known) => toHex(known) === digest);
    target.set(segments[index]?.subarray(offset, offset + target.length) ?? []);
    return Promise.resolve();
  }
}

export interface Donor {
  readonly serving: Serving;
  readonly store: HeldSegments;
  readonly window: FakeWindow;
  readonly served: { bytes: number; people: number; lost: number };
}

/** One downloader, its pool, and what it has heard of its donors. */
export class Scene {
  readonly clock = new FakeClock();
  readonly network = new FakeNetwork();
  readonly coordinator = new FakeCoordinator();
  readonly window = this.network.window();
  readonly sources = new Map<string, Source>();
  readonly holdings = new Map<string, Runs>();
  readonly removed: [string, ErrorCode][] = [];
  /** Called when a donor may be asked. */
  added: (id: string) => void = () => undefined;
  readonly pool: PeerPool;
  missing: Runs = [[0, layout.count]];
  numbered = 0;

  constructor(begin = true) {
    const say = this.coordinator.join("downloader", (message) => {
      this.pool.onMessage(message);
    });
    this.pool = new PeerPool(new RtcClient(this.window), { clock: this.clock, hmac }, say);
    if (begin) this.begin();
    this.pool.onWelcome(WELCOME);
  }

  begin(): void {
    this.pool.begin(
      { fileId: FILE, layout, segmentList, missing: () => this.missing, nextNumber: () => (this.numbered += 1) },
      {
        sourceAdded: (id, source, holdings) => {
          this.sources.set(id, source);
          this.holdings.set(id, holdings);
          this.added(id);
        },
        holdingsChanged: (id, holdings) => {
          this.holdings.set(id, holdings);
        },
        sourceRemoved: (id, code) => {
          this.sources.delete(id);
          this.removed.push([id, code]);
        },
      },
    );
  }

  donor(name: string, runs: Runs, upBytesPerS = 100_000_000): Donor {
    const window = this.network.window();
    const store = new HeldSegments(runs);
    const served = { bytes: 0, people: 0, lost: 0 };
    const say = this.coordinator.join(name, (message) => {
      serving.heed(message);
    });
    const world = { clock: this.clock, hmac };
    const serving = new Serving(store, new RtcClient(window), world, upBytesPerS, TAKERS_MAX, say, {
      mayGive: () => true,
      served: (sizeBytes, first) => {
        served.bytes += sizeBytes;
        served.people += first ? 1 : 0;
      },
      lost: () => {
        served.lost += 1;
      },
    });
    return { serving, store, window, served };
  }

  async meet(name: string): Promise<string> {
    await this.clock.pass(400_000);
    const matchId = this.coordinator.introduce("downloader", name, FILE, [0, layout.count]);
    await this.clock.pass(400_000);
    return matchId;
  }

  source(id: string): Source {
    const source = this.sources.get(id);
    assert.ok(source !== undefined, `${id} is there`);
    return source;
  }
}

/** Takes a range in order, as the download's own sink does. */
export class Sink implements RequestSink {
  readonly bytes: Buffer;
  filled = 0;
  end: number;
  ended: string | undefined;

  constructor(length: number) {
    this.bytes = Buffer.alloc(length);
    this.end = length;
  }

  get missingBytes(): number {
    return Math.max(0, this.end - this.filled);
  }

  room(): Promise<number> {
    return Promise.resolve(Math.min(this.missingBytes, 10_000)); // less than a frame: what is left has to wait
  }

  write(bytes: Uint8Array): void {
    this.bytes.set(bytes.subarray(0, this.missingBytes), this.filled);
    this.filled = Math.min(this.end, this.filled + bytes.length);
  }

  readonly outcome = {
    finished: () => {
      this.ended = "finished";
    },
    failed: (code: ErrorCode, permanent: boolean) => {
      this.ended = `${code}${permanent ? " for good" : ""}`;
    },
  };
}

export function ask(source: Source, id: number, start: number, end: number): Sink {
  const sink = new Sink(end - start);
  source.start(id, start, end, sink, sink.outcome);
  return sink;
}

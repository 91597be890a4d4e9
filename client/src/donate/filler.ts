/**
 * Fetches what the coordinator asked this donor to hold, from the files' mirrors.
 *
 * Rules:
 * - One request at a time, with low priority and at most {@link FILL_BYTES_PER_S}: filling must not disturb anybody, the
 *   person's own browsing least of all.
 * - Only segments whose digest is in the signed list are stored; a mirror that sent a wrong one is not asked again for that
 *   file in this visit.
 * - A mirror is taken by chance, so that a thousand donors that join at once do not all ask the first; but none that was
 *   found to be slower than half of the fastest. One that is not known yet is asked for one segment first.
 * - What fails is tried again later, with growing waits; the rest goes on.
 */

import { planFill, type AssignedFile } from "../core/fill-plan.ts";
import { toHex } from "../core/hex.ts";
import { RECORD_BYTES } from "../core/store-record.ts";
import { TokenBucket } from "../core/token-bucket.ts";
import { verifySegment, type Sha256 } from "../core/verified.ts";
import type { SegmentStore } from "../storage/segment-store.ts";
import { Deadline, type Clock } from "../transport/clock.ts";
import { fetchRange, type Fetch, type RangeSink } from "../transport/http-source.ts";
import { codeOf, IntegrityError, SourceError, StoreError } from "../wire/errors.ts";
import type { ErrorCode } from "../wire/messages.ts";
import type { FileCatalogue, KnownFile } from "./catalogue.ts";

/** Highest rate of filling: 16 MB are there in a few seconds, and no home line is full. */
export const FILL_BYTES_PER_S = 4 * 1024 * 1024;

/** For one segment, of 4 MiB at most: slower is no help, and a mirror that falls silent would hold the filling for ever. */
const SEGMENT_US = 60_000_000;

/** A mirror that failed rests so long; the others are asked. */
const MIRROR_REST_US = 60_000_000;

/** When no mirror of a file is left, the file waits so long, and twice as long each time, up to half an hour. */
const RETRY_US = 5_000_000;
const RETRY_US_MAX = 1_800_000_000;

export interface FillerEvents {
  /** A segment is durable; `mirrorBytes` of all that were fetched for this file in this session. */
  filled(fileId: string, mirrorBytes: number): void;
  /** Segments of these files were removed to make room. */
  dropped(fileIds: ReadonlySet<string>): void;
  /** Filling stands still for this reason; undefined: it goes on. */
  problem(code: ErrorCode | undefined): void;
}

export interface FillerWorld {
  readonly clock: Clock;
  readonly fetch: Fetch;
  readonly sha256: Sha256;
  /** A random number in [0, 1). */
  readonly chance: () => number;
}

/** Mirrors whose rates are remembered; above that all are forgotten and measured anew. */
const RATES_KEPT = 256;

/** What went wrong with a file. */
interface Setback {
  failures: number;
  untilUs: number;
  /** Mirrors that failed, until when they rest; those that sent wrong bytes, for ever. */
  readonly resting: Map<string, number>;
}

export class Filler {
  readonly #store: SegmentStore;
  readonly #catalogue: FileCatalogue;
  readonly #world: FillerWorld;
  readonly #events: FillerEvents;
  readonly #bucket: TokenBucket;
  readonly #setbacks = new Map<string, Setback>();
  readonly #fetchedBytes = new Map<string, number>();
  /** What mirrors were found to give, in bytes per second, by host. */
  readonly #rates = new Map<string, number>();
  #target: readonly AssignedFile[] = [];
  #wake: (() => void) | undefined;
  #stop = new AbortController();

  constructor(store: SegmentStore, catalogue: FileCatalogue, world: FillerWorld, events: FillerEvents) {
    this.#store = store;
    this.#catalogue = catalogue;
    this.#world = world;
    this.#events = events;
    this.#bucket = new TokenBucket(FILL_BYTES_PER_S, FILL_BYTES_PER_S, world.clock.nowUs());
  }

  get target(): readonly AssignedFile[] {
    return this.#target;
  }

  /** A new assignment. What is being fetched and not in it is given up. */
  assign(target: readonly AssignedFile[]): void {
    this.#target = target;
    this.nudge();
  }

  /** Something changed (room, limit): look again. */
  nudge(): void {
    this.#wake?.();
  }

  /** Fetched bytes are counted per session. */
  newSession(): void {
    this.#fetchedBytes.clear();
  }

  /** Runs until `stop`. */
  async run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const waitUs = await this.#step(signal);
      if (waitUs > 0) await this.#sleep(waitUs);
    }
  }

  stop(): void {
    this.#stop.abort();
    this.nudge();
  }

  /** Does one thing. @returns microseconds to wait before the next. */
  async #step(signal: AbortSignal): Promise<number> {
    const nowUs = this.#world.clock.nowUs();
    const plan = planFill({
      target: this.#target,
      held: this.#store.records,
      roomBytes: this.#store.limitBytes - this.#store.usedBytes,
      overheadBytes: RECORD_BYTES,
      sizeOf: (fileId, index) => this.#catalogue.known(fileId)?.layout.lengthOf(index),
      skip: (fileId) => (this.#setbacks.get(fileId)?.untilUs ?? 0) > nowUs,
    });
    if (plan.fetch === undefined) return this.#idleUs(nowUs);
    const { fileId, start, end } = plan.fetch;
    try {
      const file = this.#catalogue.known(fileId);
      if (file === undefined) {
        await this.#catalogue.look(fileId, signal);
        return 0; // sizes are known now: plan again
      }
      if (plan.drop.length > 0) {
        await this.#store.drop(plan.drop);
        this.#events.dropped(new Set(plan.drop.map((held) => held.fileId)));
      }
      await this.#fetch(file, start, end, signal);
      const setback = this.#setbacks.get(fileId);
      if (setback !== undefined) setback.failures = 0;
      this.#events.problem(undefined);
    } catch (error) {
      if (!signal.aborted) this.#failed(fileId, codeOf(error, "mirror_unreachable"), nowUs);
    }
    return 0;
  }

  async #fetch(file: KnownFile, start: number, end: number, signal: AbortSignal): Promise<void> {
    const url = this.#mirror(file);
    if (url === undefined) throw new SourceError("mirror_unreachable", "No mirror of this file is left to ask.");
    const host = new URL(url).host;
    const until = this.#rates.has(host) ? end : start + 1;
    const startByte = file.layout.startOf(start);
    const endByte = file.layout.endOf(until - 1);
    const range = { url, startByte, endByte, fileSizeBytes: file.layout.sizeBytes };
    const startUs = this.#world.clock.nowUs();
    const late = new AbortController();
    const deadline = new Deadline(this.#world.clock, () => {
      late.abort();
    });
    const sink = new SegmentSink(file, start, until, this.#bucket, this.#world.clock, (index, bytes) => {
      deadline.set(this.#world.clock.nowUs() + SEGMENT_US);
      return this.#keep(file, index, bytes);
    });
    try {
      deadline.set(startUs + SEGMENT_US);
      const how = await fetchRange(range, sink, AbortSignal.any([signal, late.signal]), this.#world.fetch);
      if (sink.failure !== undefined) throw sink.failure;
      if (how === "aborted") throw new SourceError("stalled", "The mirror takes too long for a segment.");
      if (sink.missingBytes === 0) this.#measured(host, endByte - startByte, this.#world.clock.nowUs() - startUs);
    } catch (error) {
      if (signal.aborted) return;
      const code = codeOf(error, "mirror_unreachable");
      if (error instanceof StoreError) throw error; // not the mirror's fault
      const restUs = code === "segment_mismatch" ? Infinity : MIRROR_REST_US;
      this.#setback(file.fileId).resting.set(url, this.#world.clock.nowUs() + restUs);
      if (this.#mirror(file) === undefined) throw error;
    } finally {
      deadline.set(undefined);
    }
  }

  #measured(host: string, sizeBytes: number, elapsedUs: number): void {
    if (this.#rates.size >= RATES_KEPT) this.#rates.clear();
    this.#rates.set(host, Math.floor((sizeBytes * 1_000_000) / Math.max(1_000, elapsedUs)));
  }

  /** Any mirror of the file that does not rest and is not known to be slow. */
  #mirror(file: KnownFile): string | undefined {
    const nowUs = this.#world.clock.nowUs();
    const resting = this.#setbacks.get(file.fileId)?.resting;
    const rateOf = (url: string) => this.#rates.get(new URL(url).host);
    const awake = file.mirrors.filter((url) => (resting?.get(url) ?? 0) <= nowUs);
    const fastest = Math.max(...awake.map((url) => rateOf(url) ?? 0));
    const mirrors = awake.filter((url) => (rateOf(url) ?? fastest) >= fastest / 2);
    return mirrors[Math.floor(this.#world.chance() * mirrors.length)];
  }

  /** Verifies and stores one segment. @returns false when there is no room for it any more. */
  async #keep(file: KnownFile, index: number, bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
    this.#fetchedBytes.set(file.fileId, (this.#fetchedBytes.get(file.fileId) ?? 0) + bytes.length);
    const digest = file.segmentList.subarray(32 * index, 32 * index + 32);
    const segment = await verifySegment(index, bytes, digest, this.#world.sha256);
    if (segment === undefined) throw new IntegrityError("segment_mismatch", "A mirror sent wrong bytes.");
    const wanted = this.#target.some(
      ({ fileId, runs }) => fileId === file.fileId && runs.some(([from, to]) => index >= from && index < to),
    );
    if (!wanted || !(await this.#store.put(file.fileId, toHex(digest), segment))) return false;
    this.#events.filled(file.fileId, this.#fetchedBytes.get(file.fileId) ?? 0);
    return true;
  }

  #setback(fileId: string): Setback {
    let setback = this.#setbacks.get(fileId);
    if (setback === undefined) {
      setback = { failures: 0, untilUs: 0, resting: new Map() };
      this.#setbacks.set(fileId, setback);
    }
    return setback;
  }

  #failed(fileId: string, code: ErrorCode, nowUs: number): void {
    const setback = this.#setback(fileId);
    setback.untilUs = nowUs + Math.min(RETRY_US_MAX, RETRY_US * 2 ** setback.failures);
    setback.failures = Math.min(setback.failures + 1, 16);
    this.#catalogue.forget(fileId); // its mirrors may be others by then
    this.#events.problem(code);
  }

  /** Nothing to do: until a file may be tried again, or for ever. */
  #idleUs(nowUs: number): number {
    const next = Math.min(...[...this.#setbacks.values()].map(({ untilUs }) => untilUs).filter((at) => at > nowUs));
    return next - nowUs; // Infinity when there is none
  }

  #sleep(waitUs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = Number.isFinite(waitUs) ? this.#world.clock.after(waitUs, () => this.#wake?.()) : undefined;
      this.#wake = () => {
        cancel?.();
        this.#wake = undefined;
        resolve();
      };
      if (this.#stop.signal.aborted) this.#wake();
    });
  }
}

/** Cuts the bytes of one range into segments and hands each on when it is whole; reads no faster than the rate. */
class SegmentSink implements RangeSink {
  readonly #file: KnownFile;
  readonly #endByte: number;
  readonly #bucket: TokenBucket;
  readonly #clock: Clock;
  readonly #keep: (index: number, bytes: Uint8Array<ArrayBuffer>) => Promise<boolean>;
  #index: number;
  #bytes: Uint8Array<ArrayBuffer>;
  #filled = 0;
  #wanted = true;
  /** Why no more was wanted, if something went wrong with what had come. */
  failure: Error | undefined;

  constructor(
    file: KnownFile,
    start: number,
    end: number,
    bucket: TokenBucket,
    clock: Clock,
    keep: (index: number, bytes: Uint8Array<ArrayBuffer>) => Promise<boolean>,
  ) {
    this.#file = file;
    this.#endByte = file.layout.endOf(end - 1);
    this.#bucket = bucket;
    this.#clock = clock;
    this.#keep = keep;
    this.#index = start;
    this.#bytes = new Uint8Array(file.layout.lengthOf(start));
  }

  get missingBytes(): number {
    if (!this.#wanted) return 0;
    return Math.max(0, this.#endByte - this.#file.layout.startOf(this.#index) - this.#filled);
  }

  async room(): Promise<number> {
    if (this.#filled === this.#bytes.length && this.#wanted) {
      try {
        this.#wanted = await this.#keep(this.#index, this.#bytes);
      } catch (error) {
        this.failure = error instanceof Error ? error : new Error("unknown", { cause: error });
        this.#wanted = false;
      }
      this.#index += 1;
      this.#filled = 0;
      if (this.missingBytes > 0) this.#bytes = new Uint8Array(this.#file.layout.lengthOf(this.#index));
    }
    if (this.missingBytes === 0) return 0;
    const waitUs = this.#bucket.waitUs(this.#clock.nowUs());
    if (waitUs > 0) {
      await new Promise<void>((resolve) => {
        this.#clock.after(waitUs, resolve);
      });
    }
    return this.#bytes.length - this.#filled;
  }

  write(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#filled);
    this.#filled += bytes.length;
    this.#bucket.take(bytes.length, this.#clock.nowUs());
  }
}

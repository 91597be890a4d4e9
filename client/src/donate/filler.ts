/**
 * Fetches what the coordinator asked this donor to hold, from other donors and from the files' mirrors.
 *
 * Rules:
 * - Other donors are asked first (fill-peers.ts). What none of them gives comes from mirrors for {@link PEERS_REST_US}.
 * - Mirrors are asked for one segment at a time, with low priority, pauses in between (core/fill-pace.ts) and at most
 *   {@link FILL_BYTES_PER_S}: filling must not disturb anybody, the person's own browsing least of all.
 * - Only segments whose digest is in the signed list are stored; a mirror that sent a wrong one is not asked again for that
 *   file in this visit.
 * - A mirror is taken by chance, so that a thousand donors that join at once do not all ask the first; but none that was
 *   found to be slower than half of the fastest.
 * - While it rests nothing is fetched, and what was on its way is broken off: a mobile plan or a battery is not to pay for it.
 * - What fails is tried again later, with growing waits; the rest goes on.
 */

import { FillPace } from "../core/fill-pace.ts";
import { planFill, type AssignedFile } from "../core/fill-plan.ts";
import { toHex } from "../core/hex.ts";
import { indicesOf, runsOf, type Runs } from "../core/runs.ts";
import { RECORD_BYTES } from "../core/store-record.ts";
import { verifySegment, type Sha256 } from "../core/verified.ts";
import type { SegmentStore } from "../storage/segment-store.ts";
import { Deadline, type Clock } from "../transport/clock.ts";
import { fetchRange, type Fetch } from "../transport/http-source.ts";
import { codeOf, IntegrityError, SourceError, StoreError } from "../wire/errors.ts";
import type { ErrorCode } from "../wire/messages.ts";
import type { FileCatalogue, KnownFile } from "./catalogue.ts";
import type { FillPeers } from "./fill-peers.ts";
import { SegmentSink } from "./segment-sink.ts";

/** Highest rate of filling: 16 MB are there in a few seconds, and no home line is full. */
export const FILL_BYTES_PER_S = 4 * 1024 * 1024;

/** For one segment, of 4 MiB at most: slower is no help, and a mirror that falls silent would hold the filling for ever. */
const SEGMENT_US = 60_000_000;

/** A mirror that failed rests so long; the others are asked. */
const MIRROR_REST_US = 60_000_000;

/** Other donors of a file that gave nothing are asked again after this. */
const PEERS_REST_US = 30_000_000;

/** When no mirror of a file is left, the file waits so long, and twice as long each time, up to half an hour. */
const RETRY_US = 5_000_000;
const RETRY_US_MAX = 1_800_000_000;

export interface FillerEvents {
  /** A segment is durable; the figures are of all that was fetched for this file in this session. */
  filled(fileId: string, fetched: FetchedBytes): void;
  /** Segments of these files were removed to make room. */
  dropped(fileIds: ReadonlySet<string>): void;
  /** Filling stands still for this reason; undefined: it goes on. */
  problem(code: ErrorCode | undefined): void;
}

/** Bytes that were pushed to this donor for one file. */
export interface FetchedBytes {
  readonly mirrorBytes: number;
  readonly donorBytes: number;
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
  readonly #peers: FillPeers;
  readonly #pace: FillPace;
  readonly #setbacks = new Map<string, Setback>();
  readonly #fetched = new Map<string, FetchedBytes>();
  /** Files that no other donor gives at present, until when. */
  readonly #peersRest = new Map<string, number>();
  /** What mirrors were found to give, in bytes per second, by host. */
  readonly #rates = new Map<string, number>();
  #target: readonly AssignedFile[] = [];
  #wake: (() => void) | undefined;
  #stop = new AbortController();
  /** Ends what is being fetched; undefined while this filler rests. */
  #going: AbortController | undefined = new AbortController();

  constructor(
    store: SegmentStore,
    catalogue: FileCatalogue,
    peers: FillPeers,
    world: FillerWorld,
    events: FillerEvents,
  ) {
    this.#store = store;
    this.#catalogue = catalogue;
    this.#world = world;
    this.#events = events;
    this.#peers = peers;
    this.#pace = new FillPace(FILL_BYTES_PER_S, world.clock.nowUs());
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
    this.#fetched.clear();
    this.#peersRest.clear();
  }

  /** Runs until `stop`. */
  async run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const waitUs =
        this.#going === undefined ? Infinity : await this.#step(AbortSignal.any([signal, this.#going.signal]));
      if (waitUs > 0) await this.#sleep(waitUs);
    }
  }

  /** Whether it rests from now on: nothing is fetched, and what was on its way is given up. */
  rest(rests: boolean): void {
    if (rests === (this.#going === undefined)) return;
    this.#going?.abort();
    this.#going = rests ? undefined : new AbortController();
    if (rests) this.#peers.close();
    this.nudge();
  }

  stop(): void {
    this.#stop.abort();
    this.#peers.close();
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
    if (plan.fetch === undefined) {
      this.#peers.close();
      return this.#idleUs(nowUs);
    }
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
      signal.throwIfAborted();
      if ((this.#peersRest.get(fileId) ?? 0) <= nowUs && (await this.#fetchFromPeers(file, start, end, signal)))
        return 0;
      if (signal.aborted) return 0;
      const pauseUs = await this.#fetch(file, start, signal);
      const setback = this.#setbacks.get(fileId);
      if (setback !== undefined) setback.failures = 0;
      this.#events.problem(undefined);
      return pauseUs;
    } catch (error) {
      if (!signal.aborted) this.#failed(fileId, codeOf(error, "mirror_unreachable"), nowUs);
    }
    return 0;
  }

  /** Asks other donors for a run. @returns whether to plan anew: something came, or nothing is to come. */
  async #fetchFromPeers(file: KnownFile, start: number, end: number, signal: AbortSignal): Promise<boolean> {
    const keep = (index: number, bytes: Uint8Array<ArrayBuffer>) => this.#keep(file, index, bytes, "donor");
    const missing = () => this.#missing(file.fileId);
    const kept = await this.#peers.fetch(
      file,
      start,
      end,
      missing,
      (from, to) => new SegmentSink(file, from, to, keep),
    );
    if (kept > 0 || signal.aborted) return true;
    if (this.#peersRest.size >= RATES_KEPT) this.#peersRest.clear();
    this.#peersRest.set(file.fileId, this.#world.clock.nowUs() + PEERS_REST_US);
    return false;
  }

  /** What is assigned of a file and not held. */
  #missing(fileId: string): Runs {
    const runs = this.#target.find((file) => file.fileId === fileId)?.runs ?? [];
    return runsOf([...indicesOf(runs)].filter((index) => !this.#store.has(fileId, index)));
  }

  /** Fetches one segment from a mirror. @returns how long to pause then, in microseconds. */
  async #fetch(file: KnownFile, index: number, signal: AbortSignal): Promise<number> {
    const url = this.#mirror(file);
    if (url === undefined) throw new SourceError("mirror_unreachable", "No mirror of this file is left to ask.");
    const host = new URL(url).host;
    const startByte = file.layout.startOf(index);
    const endByte = file.layout.endOf(index);
    const range = { url, startByte, endByte, fileSizeBytes: file.layout.sizeBytes };
    const startUs = this.#world.clock.nowUs();
    const late = new AbortController();
    const deadline = new Deadline(this.#world.clock, () => {
      late.abort();
    });
    const sink = new SegmentSink(file, index, index + 1, (at, bytes) => this.#keep(file, at, bytes, "mirror"));
    try {
      deadline.set(startUs + SEGMENT_US);
      const how = await fetchRange(range, sink, AbortSignal.any([signal, late.signal]), this.#world.fetch);
      if (sink.failure !== undefined) throw sink.failure;
      if (how === "aborted") throw new SourceError("stalled", "The mirror takes too long for a segment.");
      const elapsedUs = this.#world.clock.nowUs() - startUs;
      if (sink.missingBytes === 0) this.#measured(host, endByte - startByte, elapsedUs);
      return this.#pace.pauseUs(endByte - startByte, elapsedUs, this.#world.clock.nowUs());
    } catch (error) {
      if (signal.aborted) return 0;
      const code = codeOf(error, "mirror_unreachable");
      if (error instanceof StoreError) throw error; // not the mirror's fault
      const restUs = code === "segment_mismatch" ? Infinity : MIRROR_REST_US;
      this.#setback(file.fileId).resting.set(url, this.#world.clock.nowUs() + restUs);
      if (this.#mirror(file) === undefined) throw error;
      return 0;
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
  async #keep(
    file: KnownFile,
    index: number,
    bytes: Uint8Array<ArrayBuffer>,
    from: "mirror" | "donor",
  ): Promise<boolean> {
    const { mirrorBytes, donorBytes } = this.#fetched.get(file.fileId) ?? { mirrorBytes: 0, donorBytes: 0 };
    const fetched =
      from === "mirror"
        ? { mirrorBytes: mirrorBytes + bytes.length, donorBytes }
        : { mirrorBytes, donorBytes: donorBytes + bytes.length };
    this.#fetched.set(file.fileId, fetched);
    const digest = file.segmentList.subarray(32 * index, 32 * index + 32);
    const segment = await verifySegment(index, bytes, digest, this.#world.sha256);
    if (segment === undefined) throw new IntegrityError("segment_mismatch", `A ${from} sent wrong bytes.`);
    const wanted = this.#target.some(
      ({ fileId, runs }) => fileId === file.fileId && runs.some(([start, end]) => index >= start && index < end),
    );
    if (!wanted || !(await this.#store.put(file.fileId, toHex(digest), segment))) return false;
    this.#events.filled(file.fileId, fetched);
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

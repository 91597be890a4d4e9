/**
 * Drives one download: performs what the scheduler decides, tells it what happened, and decides nothing.
 *
 * Rules:
 * - Events are handed in one at a time, in order; all actions of one are performed before the next (spec/scheduler.md).
 * - Every request, timer and source ends before the engine does: {@link DownloadEngine.close} leaves nothing behind.
 * - The listener hears one of `complete`, `failed` and `storeFailed`; it closes the engine then.
 */

import type {
  Action,
  DownloadScheduler,
  FailCode,
  Part,
  SchedulerEvent,
  SegmentRange,
} from "../core/scheduler/messages.ts";
import { Deadline, type Clock } from "../transport/clock.ts";
import type { Source } from "../transport/source.ts";
import type { ErrorCode } from "../wire/messages.ts";
import { RequestWriter } from "./request-writer.ts";
import type { IntakeListener, SegmentIntake } from "./segment-intake.ts";

export interface EngineListener {
  /** Bytes of a source came, right or wrong; they end at `endByte` of the file. */
  received(sourceId: string, bytes: number, endByte: number): void;
  /** A segment is right, and can be read back. */
  segmentReadable(index: number): void;
  /** It is stored, or has left: its memory is free. */
  segmentStored(index: number): void;
  /** A source sent wrong bytes and is not asked again. */
  banned(sourceId: string): void;
  /** A source cannot deliver this file and is not asked again; `reason` is a code. */
  excluded(sourceId: string, reason: string): void;
  complete(): void;
  /** No source can deliver the rest. */
  failed(code: FailCode): void;
  /** Nothing more can be stored. */
  storeFailed(cause: unknown): void;
}

interface OpenRequest {
  readonly sourceId: string;
  readonly writer: RequestWriter;
}

export class DownloadEngine {
  readonly #scheduler: DownloadScheduler;
  readonly #intake: SegmentIntake;
  readonly #clock: Clock;
  readonly #listener: EngineListener;
  readonly #deadline: Deadline;
  readonly #sources = new Map<string, Source>();
  readonly #requests = new Map<number, OpenRequest>();
  readonly #queue: SchedulerEvent[] = [];
  #draining = false;
  #closed = false;
  /** Parts whose digests the scheduler asked for in answer to the rejection that is being handled. */
  #partsToKeep: readonly Part[] = [];

  constructor(scheduler: DownloadScheduler, clock: Clock, listener: EngineListener, makeIntake: MakeIntake) {
    this.#scheduler = scheduler;
    this.#clock = clock;
    this.#listener = listener;
    this.#deadline = new Deadline(clock, () => {
      this.#tell({ type: "DeadlineReached" });
    });
    this.#intake = makeIntake({
      segmentReadable: (index) => {
        this.#listener.segmentReadable(index);
      },
      segmentVerified: (index) => {
        this.#listener.segmentStored(index);
        this.#tell({ type: "SegmentVerified", segmentIndex: index });
      },
      segmentRejected: (index) => {
        this.#partsToKeep = [];
        this.#tell({ type: "SegmentRejected", segmentIndex: index });
        return this.#partsToKeep;
      },
      partsCompared: (index, wrongSourceIds) => {
        this.#tell({ type: "PartsCompared", segmentIndex: index, wrongSourceIds });
      },
      storeFailed: (cause) => {
        this.#listener.storeFailed(cause);
      },
    });
  }

  /**
   * A mirror or peer can be asked from now on.
   *
   * @param holdings null: it holds the whole file.
   * @param host whose connections it shares with other sources; null: with none.
   */
  addSource(
    sourceId: string,
    kind: "mirror" | "peer",
    source: Source,
    holdings: readonly SegmentRange[] | null,
    host: string | null = null,
  ): void {
    this.#sources.set(sourceId, source);
    this.#tell({ type: "SourceAdded", sourceId, kind, holdings, host });
  }

  setHoldings(sourceId: string, holdings: readonly SegmentRange[]): void {
    if (this.#sources.has(sourceId)) this.#tell({ type: "HoldingsChanged", sourceId, holdings });
  }

  /** A source is gone for good; what it had open is over. */
  removeSource(sourceId: string, reason: ErrorCode): void {
    const source = this.#sources.get(sourceId);
    if (source === undefined) return;
    this.#sources.delete(sourceId);
    for (const [requestId, request] of this.#requests) {
      if (request.sourceId === sourceId) this.#end(requestId);
    }
    source.close();
    this.#tell({ type: "SourceRemoved", sourceId, reason });
  }

  /** Lets the scheduler look at the clock: for a download of nothing, which is complete at once. */
  start(): void {
    this.#tell({ type: "DeadlineReached" });
  }

  /** Ends all requests and asks for nothing until {@link resume}; sources stay. */
  pause(): void {
    this.#tell({ type: "Paused" });
  }

  resume(): void {
    this.#tell({ type: "Resumed" });
  }

  /** Ends all requests and sources. */
  close(): void {
    this.#closed = true;
    this.#deadline.set(undefined);
    this.#queue.length = 0;
    for (const requestId of [...this.#requests.keys()]) this.#end(requestId);
    for (const source of this.#sources.values()) source.close();
    this.#sources.clear();
    this.#intake.close();
  }

  #tell(event: SchedulerEvent): void {
    if (this.#closed) return;
    this.#queue.push(event);
    if (this.#draining) return; // performing an action caused this event: its turn comes
    this.#draining = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        for (const action of this.#scheduler.handle(next, this.#clock.nowUs())) this.#perform(action);
      }
    } finally {
      this.#draining = false;
    }
    this.#armTimer();
  }

  #armTimer(): void {
    this.#deadline.set(this.#closed ? undefined : (this.#scheduler.nextDeadlineUs() ?? undefined));
  }

  #perform(action: Action): void {
    if (this.#closed) return;
    switch (action.type) {
      case "StartRequest":
        this.#start(action.requestId, action.sourceId, action.startByte, action.endByte);
        return;
      case "ShortenRequest":
        this.#shorten(action.requestId, action.endByte);
        return;
      case "CancelRequest":
        this.#cancel(action.requestId);
        return;
      case "DiscardBytes":
        this.#intake.discard(action.startByte, action.endByte);
        return;
      case "DigestParts":
        this.#partsToKeep = action.parts;
        return;
      case "BanSource":
        this.#drop(action.sourceId, (sourceId) => {
          this.#listener.banned(sourceId);
        });
        return;
      case "ExcludeSource":
        this.#drop(action.sourceId, (sourceId) => {
          this.#listener.excluded(sourceId, action.reason);
        });
        return;
      case "ProbateSource":
        return; // shown by the source table
      case "Complete":
        this.#listener.complete();
        return;
      case "Fail":
        this.#listener.failed(action.code);
    }
  }

  #start(requestId: number, sourceId: string, startByte: number, endByte: number): void {
    const source = this.#sources.get(sourceId);
    if (source === undefined) return; // removed in the same turn: the scheduler hears of that next
    let before = 0;
    const writer = new RequestWriter(this.#intake, startByte, endByte, (receivedBytes) => {
      this.#listener.received(sourceId, receivedBytes - before, startByte + receivedBytes);
      before = receivedBytes;
      this.#tell({ type: "BytesReceived", requestId, receivedBytes });
    });
    this.#requests.set(requestId, { sourceId, writer });
    source.start(requestId, startByte, endByte, writer, {
      finished: () => {
        if (this.#end(requestId)) this.#tell({ type: "RequestFinished", requestId });
      },
      failed: (code: ErrorCode, permanent: boolean, retryAfterUs: number | null) => {
        if (this.#end(requestId))
          this.#tell({ type: "RequestFailed", requestId, reason: code, permanent, retryAfterUs });
      },
    });
  }

  #shorten(requestId: number, endByte: number): void {
    const request = this.#requests.get(requestId);
    if (request === undefined) return;
    request.writer.shorten(endByte);
    if (request.writer.missingBytes > 0) {
      this.#sources.get(request.sourceId)?.shorten(requestId, endByte);
      return;
    }
    // All that is left of it is there: no use in waiting for a slow source's next byte.
    this.#cancel(requestId);
    this.#tell({ type: "RequestFinished", requestId });
  }

  #cancel(requestId: number): void {
    const sourceId = this.#requests.get(requestId)?.sourceId;
    this.#end(requestId);
    if (sourceId !== undefined) this.#sources.get(sourceId)?.cancel(requestId);
  }

  /** Forgets a request. @returns whether it was open. */
  #end(requestId: number): boolean {
    this.#requests.get(requestId)?.writer.close();
    return this.#requests.delete(requestId);
  }

  /** Lets a source go that the scheduler is done with. Whoever told it on must hear of it before it is closed. */
  #drop(sourceId: string, tell: (sourceId: string) => void): void {
    const source = this.#sources.get(sourceId);
    this.#sources.delete(sourceId);
    tell(sourceId);
    source?.close();
  }
}

/** Makes the intake that reports to the engine: the two refer to each other. */
export type MakeIntake = (listener: IntakeListener) => SegmentIntake;

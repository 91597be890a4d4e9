/**
 * The download scheduler: events and time in, actions and the next deadline out (spec/scheduler.md).
 *
 * It decides which source gets which range next, what is done about stalls, failures and wrong bytes, and when a
 * download is complete or has failed. It moves no byte, has no clock and no chance: the same events at the same times
 * give the same actions, here and in `src/distribute_io/core/scheduler/scheduler.py`.
 *
 * The parts: `ledger` knows where every byte stands, `sources` and `rates` what is known of a source, `choice` and
 * `endgame` decide who gets what next, and this module turns events into changes of these and decisions into actions.
 */

import { Blame, NOBODY } from "./blame.ts";
import { canTakeMore, Outlook, type Pick } from "./choice.ts";
import { Clocks } from "./clocks.ts";
import { settingsOf, type Settings } from "./config.ts";
import { choose } from "./endgame.ts";
import { Ledger } from "./ledger.ts";
import type {
  Action,
  BytesReceived,
  Complete,
  DownloadScheduler,
  Fail,
  RequestFailed,
  SchedulerConfig,
  SchedulerEvent,
  SourceAdded,
  SourceRemoved,
  SourceStatus,
} from "./messages.ts";
import { Request } from "./requests.ts";
import { Host, Source } from "./sources.ts";
import { FIRST_FAILURES_MAX, REVIEW_US, STALL_CANCEL_FACTOR } from "./tuning.ts";

/**
 * Decides one download. The caller's duties, in order:
 *
 * 1. Call `handle` for each thing that happened, with a time that never goes back.
 * 2. Perform all actions that it returned, in order, before the next event.
 * 3. Ask for `nextDeadlineUs`, and hand in `DeadlineReached` then, unless another event comes first.
 * 4. After `Complete` or `Fail` stop: nothing more comes.
 *
 * Bytes that come for a place which is filled already are dropped by the driver as they are here: the first to deliver
 * a byte is its sender.
 *
 * @example
 * const scheduler = new Scheduler({ sizeBytes: 3 << 20, segmentSizeBytes: 1 << 20 }, 0);
 * scheduler.handle({ type: "SourceAdded", sourceId: "a", kind: "mirror" }, 0);
 * // [{ type: "StartRequest", requestId: 1, sourceId: "a", startByte: 0, endByte: 1048576 }]
 */
export class Scheduler implements DownloadScheduler {
  readonly #settings: Settings;
  readonly #ledger: Ledger;
  readonly #blame = new Blame();
  readonly #sources = new Map<string, Source>();
  readonly #hosts = new Map<string, Host>();
  readonly #clocks: Clocks;
  readonly #startedUs: number;
  #nextRequestId = 1;
  #paused = false;
  #over = false;
  #anyByte = false;
  #thereBytes = 0;
  #thereBytesMax = 0;
  #actions: Action[] = [];

  /**
   * @param nowUs when the download begins.
   * @throws RangeError when a value of `config` is outside its range.
   */
  constructor(config: SchedulerConfig, nowUs: number) {
    this.#settings = settingsOf(config);
    this.#ledger = new Ledger(this.#settings);
    this.#clocks = new Clocks(this.#settings, nowUs);
    this.#startedUs = nowUs;
  }

  /** Takes one event, which happened at `atUs`, and decides. Events of unknown sources or requests are ignored. */
  handle(event: SchedulerEvent, atUs: number): readonly Action[] {
    if (this.#over) return [];
    const nowUs = this.#clocks.advance(atUs, this.nextDeadlineUs(), this.#ledger.requests.values());
    if (this.#ledger.isHeldUp()) this.#clocks.heldUp(nowUs);
    if (this.#ledger.isSinkAwaited()) this.#clocks.progressed(nowUs);
    this.#actions = [];
    const changed = this.#take(event, nowUs);
    if (this.#ledger.missing.isEmpty) this.#end({ type: "Complete" }, nowUs);
    else if (!this.#paused) {
      const due = this.#runClocks(nowUs);
      if (changed || due || this.#clocks.reviewIsDue(nowUs)) this.#plan(nowUs);
      this.#giveUpIfDue(nowUs);
    }
    return this.#actions;
  }

  /** When `DeadlineReached` is due; null: never. */
  nextDeadlineUs(): number | null {
    if (this.#over || this.#paused) return null;
    return this.#clocks.nextDeadlineUs(this.#ledger.requests.values(), this.#sources.values(), this.#ledger.isHeldUp());
  }

  /** The source table, in the order of `SourceAdded`. */
  sources(): readonly SourceStatus[] {
    return [...this.#sources.values()].map((source) => source.status(this.#clocks.nowUs));
  }

  // Events

  /** Notes an event. Returns whether the choice must be made anew. */
  #take(event: SchedulerEvent, nowUs: number): boolean {
    switch (event.type) {
      case "BytesReceived":
        return this.#takeBytes(event, nowUs);
      case "RequestFinished":
        this.#takeFinished(event.requestId, nowUs);
        return true;
      case "RequestFailed":
        this.#takeFailed(event, nowUs);
        return true;
      case "SegmentVerified":
        this.#takeVerified(event.segmentIndex, nowUs);
        return true;
      case "SegmentRejected":
        this.#takeRejected(event.segmentIndex, nowUs);
        return true;
      case "PartsCompared":
        for (const liar of this.#blame.compared(event.segmentIndex, event.wrongSourceIds)) {
          this.#ban(liar, nowUs);
        }
        return true;
      case "SourceAdded":
        this.#takeAdded(event);
        return true;
      case "HoldingsChanged":
        this.#sources.get(event.sourceId)?.hold(event.holdings, nowUs);
        return true;
      case "SourceRemoved":
        this.#takeRemoved(event, nowUs);
        return true;
      case "Paused":
        this.#paused = true;
        for (const request of [...this.#ledger.requests.values()]) this.#cancel(request, nowUs);
        return true;
      case "Resumed":
        this.#paused = false;
        this.#clocks.restart(nowUs);
        return true;
      case "DeadlineReached":
        return false;
    }
  }

  #takeAdded(event: SourceAdded): void {
    if (this.#sources.has(event.sourceId)) return;
    const host = typeof event.host === "string" ? this.#hostOf(event.host) : undefined;
    const source = new Source(event.sourceId, this.#sources.size, event.kind, event.slots ?? 2, host);
    source.hold(event.holdings ?? null);
    this.#sources.set(event.sourceId, source);
  }

  #hostOf(name: string): Host {
    let host = this.#hosts.get(name);
    if (host === undefined) this.#hosts.set(name, (host = new Host(this.#settings.maxHostRequests)));
    return host;
  }

  #takeRemoved(event: SourceRemoved, nowUs: number): void {
    const source = this.#sources.get(event.sourceId);
    if (source?.usable !== true) return;
    source.leave("removed", event.reason ?? "peer_closed");
    for (const request of source.requests) this.#close(request, nowUs);
  }

  #takeBytes(event: BytesReceived, nowUs: number): boolean {
    const request = this.#ledger.requests.get(event.requestId);
    if (request === undefined) return false;
    const { freshBytes, duplicateBytes } = this.#ledger.receive(request, event.receivedBytes);
    const count = freshBytes + duplicateBytes;
    if (count === 0) return false;
    const { source } = request;
    if (!request.deliveredAny && request.startedAlone) source.rate.firstByteCame(nowUs - request.startedUs);
    const woken = request.stalled;
    request.deliveredAny = true;
    request.stalled = false;
    request.lastByteUs = nowUs;
    source.rate.bytesCame(count, nowUs);
    source.receivedBytes += freshBytes;
    source.duplicateBytes += duplicateBytes;
    this.#anyByte = true;
    this.#thereBytes += freshBytes;
    if (this.#thereBytes > this.#thereBytesMax) {
      this.#thereBytesMax = this.#thereBytes; // what is discarded and comes again is no progress
      this.#clocks.progressed(nowUs);
    }
    return this.#settleRace(request, nowUs) || this.#endCameNear(request, nowUs) || woken;
  }

  /** Cancels whichever of two rivals has nothing left that is not there (S11, S12). */
  #settleRace(request: Request, nowUs: number): boolean {
    const { rival } = request;
    if (rival === null) return false;
    let settled = false;
    for (const loser of [rival, request]) {
      if (loser.remainingBytes === 0 || !this.#ledger.isThere(loser.position, loser.end)) continue;
      this.#cancel(loser, nowUs);
      if (loser.stalled || loser.slow) this.#probate(loser.source, loser.stalled ? "stalled" : "slow", nowUs, null);
      settled = true;
    }
    return settled;
  }

  #endCameNear(request: Request, nowUs: number): boolean {
    if (request.overlapped || !request.isEnding(nowUs)) return false;
    request.overlapped = true;
    return true;
  }

  #takeFinished(requestId: number, nowUs: number): void {
    const request = this.#ledger.requests.get(requestId);
    if (request === undefined) return;
    if (request.remainingBytes > 0) {
      this.#failRequest(request, "mirror_truncated", nowUs, null);
      return;
    }
    this.#close(request, nowUs);
    const { source } = request;
    source.failures = 0;
    source.finishedInARow += 1;
    if (source.state === "ready") source.reason = null;
  }

  #takeFailed(event: RequestFailed, nowUs: number): void {
    const request = this.#ledger.requests.get(event.requestId);
    if (request === undefined) return;
    if (event.permanent !== true) {
      this.#failRequest(request, event.reason, nowUs, event.retryAfterUs ?? null);
      return;
    }
    const { source } = request;
    this.#close(request, nowUs);
    for (const other of source.requests) this.#cancel(other, nowUs);
    source.leave("excluded", event.reason);
    this.#actions.push({ type: "ExcludeSource", sourceId: source.sourceId, reason: event.reason });
  }

  #failRequest(request: Request, reason: string, nowUs: number, retryAfterUs: number | null): void {
    if (request.position - request.start >= this.#settings.segmentSizeBytes) request.source.failures = 0;
    const oneTooMany = reason === "mirror_busy" && !request.deliveredAny && request.source.host.refusedAnother();
    const byHearsay =
      reason === "not_held" &&
      request.startedUs < (request.source.firstWordUs ?? 0) &&
      !request.source.holds(...this.#ledger.segmentsOf(request.start, request.end));
    this.#close(request, nowUs);
    if (!oneTooMany && !byHearsay) this.#probate(request.source, reason, nowUs, retryAfterUs);
  }

  #takeVerified(index: number, nowUs: number): void {
    if (!this.#ledger.missing.holds(index, index + 1)) return;
    const parts = this.#ledger.verify(index);
    for (const part of parts) part.source.verifiedBytes += part.end - part.start;
    const senders = new Set(parts.map((part) => part.source));
    if (senders.size === 1) for (const sender of senders) sender.deliveredWholeSegment();
    this.#clocks.progressed(nowUs);
  }

  #takeRejected(index: number, nowUs: number): void {
    const partial = this.#ledger.partials.get(index);
    if (partial === undefined) return;
    // What is not complete here crossed with a `DiscardBytes`: the driver has dropped it, and it proves nothing.
    const { liar, suspects } = partial.missingBytes > 0 ? NOBODY : this.#blame.judge(index, partial);
    const parts = this.#ledger.reject(index, suspects.length > 0);
    for (const part of parts) {
      part.source.rejectedBytes += part.end - part.start;
      this.#thereBytes -= part.end - part.start;
    }
    this.#thereBytesMax = this.#thereBytes; // bounded by S13, so this cannot go on for ever
    if (suspects.length > 0) {
      this.#actions.push({
        type: "DigestParts",
        segmentIndex: index,
        parts: parts.map((part) => ({ sourceId: part.source.sourceId, startByte: part.start, endByte: part.end })),
      });
    }
    if (liar !== null) this.#ban(liar, nowUs);
  }

  // Clocks

  /** Does what is due by time alone. Returns whether anything was. */
  #runClocks(nowUs: number): boolean {
    let due = false;
    for (const source of this.#sources.values()) {
      if (source.probationUntilUs === null || source.probationUntilUs > nowUs) continue;
      source.returnFromProbation();
      due = true;
    }
    if (this.#ledger.isHeldUp()) return due;
    const outlook = this.#outlook(nowUs);
    for (const request of [...this.#ledger.requests.values()]) {
      const silentUs = nowUs - this.#clocks.silentSinceUs(request);
      if (request.remainingBytes === 0 || silentUs < this.#settings.stallUs) continue;
      const goneUs = STALL_CANCEL_FACTOR * this.#settings.stallUs;
      if (silentUs >= goneUs || (!this.#ledger.mayMix(request) && !outlook.isSole(request.source))) {
        this.#cancel(request, nowUs);
        this.#probate(request.source, "stalled", nowUs, null);
        due = true;
      } else if (!request.stalled) {
        request.stalled = true;
        request.source.reason = "stalled";
        const stop = this.#ledger.endOf(this.#ledger.currentSegment(request));
        if (request.end > stop) this.#shorten(request, stop);
        due = true;
      }
    }
    return due;
  }

  /** Fails if the download cannot go on (S15). */
  #giveUpIfDue(nowUs: number): void {
    const sources = [...this.#sources.values()];
    const usable = sources.filter((source) => source.usable);
    this.#clocks.noteUsable(usable.length > 0, nowUs);
    const hopeless =
      !this.#anyByte &&
      !this.#clocks.isPatient(nowUs) &&
      usable.length > 0 &&
      usable.every((source) => source.state === "probation" && source.failures >= FIRST_FAILURES_MAX);
    if (!hopeless && !this.#clocks.isTimeUp(nowUs)) return;
    if (sources.some((source) => source.state === "banned")) {
      this.#end({ type: "Fail", reason: "integrity", code: "all_sources_bad" }, nowUs);
    } else if (sources.every((source) => source.state === "removed")) {
      this.#end({ type: "Fail", reason: "availability", code: "no_sources" }, nowUs);
    } else if (sources.every((source) => source.state !== "ready")) {
      this.#end({ type: "Fail", reason: "availability", code: "all_sources_failed" }, nowUs);
    } else this.#end({ type: "Fail", reason: "availability", code: "no_progress" }, nowUs);
  }

  #end(last: Complete | Fail, nowUs: number): void {
    for (const request of [...this.#ledger.requests.values()]) this.#cancel(request, nowUs);
    this.#over = true;
    this.#actions.push(last);
  }

  // Decisions into actions

  #outlook(nowUs: number): Outlook {
    const heldUpUs = this.#ledger.isHeldUp() ? nowUs : this.#clocks.heldUpUs;
    return new Outlook(this.#settings, this.#ledger, [...this.#sources.values()], nowUs, this.#startedUs, heldUpUs);
  }

  /** Gives work to every source that can take more, until nobody can (S6). */
  #plan(nowUs: number): void {
    let busy = true;
    while (busy) busy = this.#planOnce(nowUs) || this.#unblock(nowUs);
    const idle = [...this.#sources.values()].some((source) => source.state === "ready" && source.requests.length === 0);
    this.#clocks.planned(nowUs, idle && this.#ledger.leftBytes > 0 ? REVIEW_US : null);
  }

  #planOnce(nowUs: number): boolean {
    const outlook = this.#outlook(nowUs);
    let done = false;
    for (const source of outlook.inOrderOfChoice()) {
      while (source.state === "ready" && canTakeMore(outlook, source)) {
        const pick = choose(outlook, source);
        if (pick === null) break;
        done = true;
        this.#perform(pick, source, nowUs);
        if (pick.kind === "drop") return true; // a source went on probation: look anew
      }
    }
    return done;
  }

  #perform(pick: Pick, source: Source, nowUs: number): void {
    if (pick.kind === "drop") {
      const index = this.#ledger.currentSegment(pick.victim);
      this.#cancel(pick.victim, nowUs);
      this.#discard(this.#ledger.startOf(index), this.#ledger.endOf(index), null);
      this.#probate(pick.victim.source, pick.victim.stalled ? "stalled" : "slow", nowUs, null);
      return;
    }
    if (pick.kind === "steal") this.#shorten(pick.victim, pick.start);
    if (pick.kind === "hedge" && pick.end < pick.rival.end) this.#shorten(pick.rival, pick.end);
    if (pick.kind !== "hedge") {
      const stop = this.#ledger.endOf(this.#ledger.segmentAt(pick.start));
      this.#discard(pick.start, Math.min(pick.end, stop), null);
    }
    const request = new Request(this.#nextRequestId, source, pick.start, pick.end, nowUs);
    this.#nextRequestId += 1;
    if (pick.kind === "hedge") {
      request.rival = pick.rival;
      pick.rival.rival = request;
      pick.rival.slow = pick.forSlowness;
    }
    this.#ledger.start(request);
    this.#actions.push({
      type: "StartRequest",
      requestId: request.requestId,
      sourceId: source.sourceId,
      startByte: request.start,
      endByte: request.end,
    });
  }

  /** Where pieces of segments that no ready source holds fill all memory, drops them (S4). */
  #unblock(nowUs: number): boolean {
    const outlook = this.#outlook(nowUs);
    const { ledger } = outlook;
    if (ledger.requests.size > 0 || ledger.unfetchedBytes === 0 || outlook.ready.length === 0) return false;
    if (ledger.isAwaiting() || !ledger.isMemoryFull()) return false;
    const begun = [...ledger.partials.values()].sort((a, b) => a.start - b.start);
    for (const partial of begun) this.#discard(partial.start, partial.end, null);
    return begun.length > 0;
  }

  #shorten(request: Request, end: number): void {
    this.#ledger.shorten(request, end);
    this.#actions.push({ type: "ShortenRequest", requestId: request.requestId, endByte: end });
  }

  #cancel(request: Request, nowUs: number): void {
    this.#actions.push({ type: "CancelRequest", requestId: request.requestId });
    this.#close(request, nowUs);
  }

  /** A request is over. An unfinished segment that must come from one source alone is dropped (S13). */
  #close(request: Request, nowUs: number): void {
    const { source } = request;
    const mixable = this.#ledger.mayMix(request);
    const index = this.#ledger.currentSegment(request);
    this.#ledger.finish(request);
    if (source.requests.length === 0) {
      source.rate.fellIdle(nowUs, request.position - request.start, nowUs - request.startedUs);
    }
    const partial = this.#ledger.partials.get(index);
    if (!mixable && partial !== undefined && partial.missingBytes > 0) {
      this.#discard(partial.start, partial.end, source);
    }
  }

  #discard(start: number, end: number, sender: Source | null): void {
    for (const part of this.#ledger.drop(start, end, sender)) {
      part.source.rejectedBytes += part.end - part.start;
      this.#thereBytes -= part.end - part.start;
      this.#actions.push({ type: "DiscardBytes", startByte: part.start, endByte: part.end });
    }
  }

  #probate(source: Source, reason: string, nowUs: number, retryAfterUs: number | null): void {
    if (!source.putOnProbation(reason, nowUs, retryAfterUs) || source.probationUntilUs === null) return;
    this.#clocks.retryPromised(retryAfterUs, nowUs);
    this.#actions.push({
      type: "ProbateSource",
      sourceId: source.sourceId,
      reason,
      untilUs: source.probationUntilUs,
    });
  }

  /** It sent wrong bytes: nothing more of it counts (S13). */
  #ban(source: Source, nowUs: number): void {
    for (const request of source.requests) this.#cancel(request, nowUs);
    source.leave("banned", "segment_mismatch");
    this.#actions.push({ type: "BanSource", sourceId: source.sourceId, reason: "segment_mismatch" });
    for (const partial of [...this.#ledger.partials.values()]) {
      if (partial.missingBytes > 0) this.#discard(partial.start, partial.end, source);
    }
  }
}

/**
 * Fills a donor from other donors, as a downloader is served: asks for an introduction, takes whole segments.
 *
 * Rules:
 * - One donor at a time, one file at a time; the connection stays while that file is being filled.
 * - Who sends a wrong segment is told on and left.
 * - Who says nothing for {@link SILENCE_US} is left: it serves downloaders first. So is who sends less than
 *   {@link LEAST_BYTES_PER_S} over {@link RATE_OVER_US}: a byte now and then would hold the filling for ever. What is
 *   lacking then comes from mirrors.
 */

import type { Runs } from "../core/runs.ts";
import { Deadline } from "../transport/clock.ts";
import type { LinkWorld } from "../transport/peer-link.ts";
import { PeerPool } from "../transport/peer-pool.ts";
import type { RtcClient } from "../transport/rtc-client.ts";
import type { SessionMessage } from "../transport/session-client.ts";
import type { Source } from "../transport/source.ts";
import type { Complete } from "../wire/decode.ts";
import { codeOf } from "../wire/errors.ts";
import type { ClientMessage, Welcome } from "../wire/messages.ts";
import type { KnownFile } from "./catalogue.ts";
import type { SegmentSink } from "./segment-sink.ts";

/** For an introduction and its connection, and for each pause between segments' bytes. */
const SILENCE_US = 5_000_000;

/** As `distribute_io.donor.fill_peers`: a megabyte a minute is no help. */
const LEAST_BYTES_PER_S = 16_000;
const RATE_OVER_US = 15_000_000;

interface Giver {
  readonly source: Source;
  holdings: Runs;
  /** Bytes that were found right. */
  rightBytes: number;
}

/** A file that is being filled. */
interface Filling {
  readonly fileId: string;
  readonly pool: PeerPool;
  readonly givers: Map<string, Giver>;
}

export class FillPeers {
  readonly #rtc: RtcClient;
  readonly #world: LinkWorld;
  readonly #say: (message: ClientMessage) => boolean;
  #welcome: Complete<Welcome> | undefined;
  #filling: Filling | undefined;
  /** What is asked for at present, of all that the file lacks. */
  #lacking: Runs = [];
  #missing: () => Runs = () => [];
  #requests = 0;
  #named = 0;
  /** Called when a donor came, changed or left, or none is to be had. */
  #news: () => void = () => undefined;

  /** @param say sends a session message, if there is a session. */
  constructor(rtc: RtcClient, world: LinkWorld, say: (message: ClientMessage) => boolean) {
    this.#rtc = rtc;
    this.#world = world;
    this.#say = say;
  }

  onWelcome(welcome: Complete<Welcome>): void {
    this.#welcome = welcome;
    this.#filling?.pool.onWelcome(welcome);
  }

  onLost(): void {
    this.#welcome = undefined;
    this.#filling?.pool.onLost();
  }

  onMessage(message: SessionMessage): void {
    this.#filling?.pool.onMessage(message);
    const isOurs = "file_id" in message && message.file_id === this.#filling?.fileId;
    // A fill does not wait at the coordinator: nobody gives any of it now.
    if (message.type === "unmatched" && isOurs && this.#filling?.givers.size === 0) this.close();
  }

  /**
   * Asks for the segments `[start, end)` of a file.
   *
   * @param missing all that is lacking of the file now: a donor that holds some of it is kept for the next run.
   * @param sinkOf where the bytes of a run of them go.
   * @returns how many were kept. What is missing then is not to be had from donors at present.
   */
  async fetch(
    file: KnownFile,
    start: number,
    end: number,
    missing: () => Runs,
    sinkOf: (start: number, end: number) => SegmentSink,
  ): Promise<number> {
    if (this.#welcome === undefined) return 0;
    this.#lacking = [[start, end]];
    this.#missing = missing;
    const filling = this.#open(file, this.#welcome);
    let kept = 0;
    for (;;) {
      const next = await this.#nextGiver(filling);
      if (next === undefined) break;
      const [id, giver, from, to] = next;
      const sink = sinkOf(from, to);
      const done = await this.#take(filling, id, giver, file, from, to, sink);
      kept += sink.kept;
      giver.rightBytes += file.layout.endOf(from + sink.kept - 1) - file.layout.startOf(from);
      if (sink.kept > 0) filling.pool.credited(id, giver.rightBytes);
      if (!done) break;
      this.#lacking = this.#lacking.flatMap(([first, last]) =>
        [[first, Math.min(last, from)] as const, [Math.max(first, to), last] as const].filter(([a, b]) => a < b),
      );
      filling.pool.progressed();
      if (this.#lacking.length === 0) break;
    }
    if (this.#lacking.length > 0) this.close();
    return kept;
  }

  /** The file was withdrawn. */
  forget(fileId: string): void {
    if (this.#filling?.fileId === fileId) this.close();
  }

  /** Lets the donors go, with their receipts. */
  close(): void {
    this.#filling?.pool.close();
    this.#filling = undefined;
    this.#news();
  }

  #open(file: KnownFile, welcome: Complete<Welcome>): Filling {
    if (this.#filling?.fileId === file.fileId) {
      this.#filling.pool.progressed();
      return this.#filling;
    }
    this.close();
    const givers = new Map<string, Giver>();
    const pool = new PeerPool(this.#rtc, this.#world, (message) =>
      this.#say(message.type === "want" ? { ...message, fill: true } : message),
    );
    pool.begin(
      { ...file, peersMax: 1, missing: () => this.#missing(), nextNumber: () => (this.#named += 1) },
      {
        sourceAdded: (id, source, holdings) => {
          givers.set(id, { source, holdings, rightBytes: 0 });
          this.#news();
        },
        holdingsChanged: (id, holdings) => {
          const giver = givers.get(id);
          if (giver !== undefined) giver.holdings = holdings;
          this.#news();
        },
        sourceRemoved: (id) => {
          givers.delete(id);
          this.#news();
        },
      },
    );
    this.#filling = { fileId: file.fileId, pool, givers };
    pool.onWelcome(welcome);
    return this.#filling;
  }

  /** Waits for a donor that holds some of what is lacking. @returns which, and the run that it can give. */
  async #nextGiver(filling: Filling): Promise<[string, Giver, number, number] | undefined> {
    const untilUs = this.#world.clock.nowUs() + SILENCE_US;
    while (this.#filling === filling && this.#world.clock.nowUs() < untilUs) {
      for (const [id, giver] of filling.givers) {
        for (const [start, end] of this.#lacking) {
          const held = giver.holdings.find(([from, to]) => from < end && to > start);
          if (held !== undefined) return [id, giver, Math.max(start, held[0]), Math.min(end, held[1])];
        }
      }
      await new Promise<void>((resolve) => {
        const cancel = this.#world.clock.after(untilUs - this.#world.clock.nowUs(), resolve);
        this.#news = () => {
          cancel();
          resolve();
        };
      });
      this.#news = () => undefined;
    }
    return undefined;
  }

  /** Takes one run from one donor. @returns whether all of it came and was kept. */
  async #take(
    filling: Filling,
    id: string,
    giver: Giver,
    file: KnownFile,
    from: number,
    to: number,
    sink: SegmentSink,
  ): Promise<boolean> {
    this.#requests += 1;
    const requestId = this.#requests;
    const startByte = file.layout.startOf(from);
    const endByte = file.layout.endOf(to - 1);
    const isComplete = await new Promise<boolean>((resolve) => {
      let missing = sink.missingBytes;
      let rated = { fromUs: this.#world.clock.nowUs(), missing };
      const deadline = new Deadline(this.#world.clock, () => {
        const nowUs = this.#world.clock.nowUs();
        const came = rated.missing - sink.missingBytes;
        const isDue = nowUs - rated.fromUs >= RATE_OVER_US;
        if (sink.missingBytes === missing || (isDue && came * 1_000_000 < LEAST_BYTES_PER_S * (nowUs - rated.fromUs))) {
          giveUp();
          return;
        }
        missing = sink.missingBytes;
        if (isDue) rated = { fromUs: nowUs, missing };
        deadline.set(nowUs + SILENCE_US);
      });
      const settle = (complete: boolean) => {
        deadline.set(undefined);
        resolve(complete);
      };
      const giveUp = () => {
        giver.source.cancel(requestId);
        settle(false);
      };
      sink.unwanted = giveUp; // a wrong segment, or no room: the rest of the run is not to be sent
      deadline.set(this.#world.clock.nowUs() + SILENCE_US);
      giver.source.start(requestId, startByte, endByte, sink, {
        finished: () => {
          settle(true);
        },
        failed: () => {
          settle(false);
        },
      });
    });
    // The last segment is kept when more room is asked for.
    if (isComplete) await sink.room();
    if (sink.failure !== undefined && codeOf(sink.failure, "peer_closed") === "segment_mismatch") filling.pool.lied(id);
    return isComplete && sink.failure === undefined && sink.kept === to - from;
  }
}

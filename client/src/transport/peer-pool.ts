/**
 * The donors of one download: asks the coordinator for introductions, connects, and hands connected donors to the
 * scheduler as sources. Which and how many is decided by `core/peer-roster.ts`.
 *
 * Rules:
 * - A few offers lie at the coordinator, so that an introduction costs one trip. They are made anew when they are older
 *   than {@link OFFER_LIFE_US}: address bindings of NATs do not live much longer. Where it is likely that donors will be
 *   needed, the first are begun while the session comes about ({@link PeerPool.warm}).
 * - Introductions are asked for when the file is known ({@link PeerPool.seek}), while its manifest is still checked and its
 *   store opened. Nothing is asked of a donor before all that is done ({@link PeerPool.begin}).
 * - While no donor delivers the visitor waits: offers are deposited before their candidates are gathered, and while one is
 *   about to come, no others are made for {@link COMING_US}: they would take the browser's time from it.
 * - What the match says of a donor is asked of it as soon as its channel is open; what it says itself corrects that.
 * - Who delivers is settled whenever something was stored, {@link SETTLE_EVERY_US} apart; wants are rarer, as each is a
 *   message.
 * - A session that is lost changes nothing for open channels. After the next welcome the want and all unused offers are
 *   said again.
 * - A connection that does not come about in {@link CONNECT_US} is given up, and told.
 * - Donors are numbered in the order in which they came; nobody else learns who they are.
 */

import { decodeBase64 } from "../core/text.ts";
import { planRoster } from "../core/peer-roster.ts";
import { overlap, runsFromWire, runsToWire, type Runs } from "../core/runs.ts";
import { decodeSignal, type Complete } from "../wire/decode.ts";
import { codeOf } from "../wire/errors.ts";
import { ROLE_DOWNLOADER } from "../wire/frames.ts";
import type { ClientMessage, ErrorCode, Match, Welcome } from "../wire/messages.ts";
import { Deadline } from "./clock.ts";
import { Peer, type IdleOffer } from "./introduced-peer.ts";
import { PeerLink, type LinkWorld } from "./peer-link.ts";
import { PeerSource, type PeerFile } from "./peer-source.ts";
import type { RtcClient } from "./rtc-client.ts";
import type { SessionMessage } from "./session-client.ts";
import type { Source } from "./source.ts";

/** Offers kept with the coordinator (measurements, part 4: 4 to 8). Each is a connection that waits. */
const OFFERS_KEPT = 4;
const OFFER_LIFE_US = 90_000_000;
const LEFT_MAX = 64;
const CONNECT_US = 10_000_000;

/** A donor that comes at all is there by then, as a rule; one that does not must not keep the others waiting. */
const COMING_US = 1_000_000;

/** Shortest time between two looks at who delivers: an emptied donor of 1 MiB gave for some hundred milliseconds. */
const SETTLE_EVERY_US = 20_000;

/** Shortest time between two wants, and the longest that one stands without being said again with what is missing now. */
const WANT_EVERY_US = 100_000;
const WANT_AGAIN_US = 30_000_000;

/** A download whose peers these are. */
export interface PeerJob extends PeerFile {
  readonly fileId: string;
  /** What is still missing and wanted of donors. */
  readonly missing: () => Runs;
  /** Number of the next donor, from 1: no two donors of a download have the same, in however many pools. */
  readonly nextNumber: () => number;
  /** Donors at a time, at most, where the roster's own limit is too many. */
  readonly peersMax?: number;
}

export interface PeerPoolEvents {
  sourceAdded(sourceId: string, source: Source, holdings: Runs): void;
  holdingsChanged(sourceId: string, holdings: Runs): void;
  /** After this the source is not to be used; its requests have failed. `code` says why. */
  sourceRemoved(sourceId: string, code: ErrorCode): void;
}

export class PeerPool {
  readonly #rtc: RtcClient;
  readonly #world: LinkWorld;
  readonly #say: (message: ClientMessage) => boolean;
  readonly #offers = new Map<string, IdleOffer>();
  readonly #peers = new Map<string, Peer>();
  /** The matches of sources that are gone: what they sent may prove wrong later. */
  readonly #left = new Map<string, string>();
  readonly #settling: Deadline;
  /** Settled by `begin`. */
  readonly #begun: Promise<void>;
  #listen: () => void = () => undefined;
  #sought: { readonly fileId: string; readonly missing: () => Runs } | undefined;
  #download: { readonly job: PeerJob; readonly events: PeerPoolEvents } | undefined;
  #welcome = false;
  #lastId = 0;
  /** Introductions that the last want asked for and that have not come. */
  #asked = 0;
  #settledUs = -SETTLE_EVERY_US;
  /** When the next look is due; undefined: at no time that is known. */
  #dueUs: number | undefined;
  #wantedUs = -WANT_AGAIN_US;
  #closed = false;

  /** @param say sends a session message, if there is a session. */
  constructor(rtc: RtcClient, world: LinkWorld, say: (message: ClientMessage) => boolean) {
    this.#rtc = rtc;
    this.#world = world;
    this.#say = say;
    this.#settling = new Deadline(world.clock, () => {
      this.#settle();
    });
    this.#begun = new Promise((resolve) => {
      this.#listen = resolve;
    });
  }

  /** Begins some offers ahead of the session: a browser's first connection takes its time. */
  warm(): void {
    this.#makeOffers(OFFERS_KEPT, "complete");
  }

  /** Asks for donors of a file of so many segments, all of which count as missing until {@link begin}. */
  seek(fileId: string, segments: number): void {
    const missing: Runs = [[0, segments]];
    this.#sought ??= { fileId, missing: () => missing };
    this.#settle();
  }

  /** Gives donors to a download. Once; of the file that was sought, if one was. */
  begin(job: PeerJob, events: PeerPoolEvents): void {
    this.#sought = job;
    this.#download = { job, events };
    this.#listen();
    this.#settle();
  }

  /** A session has begun. */
  onWelcome(welcome: Complete<Welcome>): void {
    this.#welcome = true;
    this.#asked = 0;
    for (const offer of this.#offers.values()) offer.deposited = false;
    this.#rtc.configure(welcome.stun, this.#say);
    this.#settle();
  }

  onLost(): void {
    this.#welcome = false;
  }

  onMessage(message: SessionMessage): void {
    switch (message.type) {
      case "match":
        if (message.role === "downloader" && message.file_id === this.#sought?.fileId) this.#introduced(message);
        return;
      case "signal":
        this.#signalled(message.match_id, message.payload);
        return;
      case "match_ended": {
        const peer = this.#peers.get(message.match_id);
        if (peer?.met === false) peer.link?.close("peer_closed");
        return;
      }
      case "unmatched":
        if (message.file_id === this.#sought?.fileId && message.code === "full") {
          this.#asked = 0;
          this.#settleIn(message.retry_after_ms * 1_000);
        }
        return;
      case "error":
      case "assign":
      case "withdrawn":
      case "credited":
      case "tallied":
        return;
    }
  }

  /** Something was stored, or is missing again: donors may have become useless or useful. */
  progressed(): void {
    this.#settleIn(0);
  }

  /** So many bytes of a donor were found right, in all. */
  credited(sourceId: string, bytesTotal: number): void {
    this.#bySource(sourceId)?.source?.credited(bytesTotal);
  }

  /** The donor sent wrong bytes: it is told on, and not used again. */
  lied(sourceId: string): void {
    const peer = this.#bySource(sourceId);
    const match_id = peer?.match?.match_id ?? this.#left.get(sourceId);
    if (match_id === undefined) return;
    if (peer !== undefined) this.#sayOpen(peer);
    this.#say({ type: "match_report", match_id, outcome: "lied", code: "segment_mismatch" });
    peer?.link?.close("segment_mismatch");
  }

  /** Lets all donors go, with their receipts. Nothing is reported any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#settling.set(undefined);
    this.#dueUs = undefined;
    if (this.#sought !== undefined) this.#say({ type: "unwant", file_id: this.#sought.fileId });
    for (const { link } of this.#offers.values()) link.close("cancelled");
    this.#offers.clear();
    for (const peer of [...this.#peers.values()]) {
      if (peer.source === undefined) peer.link?.close("cancelled");
      else peer.source.close();
    }
  }

  #bySource(sourceId: string): Peer | undefined {
    for (const peer of this.#peers.values()) if (peer.sourceId === sourceId) return peer;
    return undefined;
  }

  #settleIn(delayUs: number): void {
    if (this.#closed) return;
    const atUs = Math.max(this.#world.clock.nowUs() + delayUs, this.#settledUs + SETTLE_EVERY_US);
    if (this.#dueUs !== undefined && this.#dueUs <= atUs) return;
    this.#dueUs = atUs;
    this.#settling.set(atUs);
  }

  /** Brings the donors in line with the plan, and says what is wanted. */
  #settle(): void {
    if (this.#closed) return;
    this.#settledUs = this.#world.clock.nowUs();
    this.#dueUs = undefined;
    this.#settling.set(undefined);
    if (this.#sought === undefined) return;
    const missing = this.#sought.missing();
    const introduced = [...this.#peers.values()];
    const plan = planRoster(
      introduced.flatMap((peer) =>
        peer.state === "offered" || peer.state === "closed"
          ? []
          : [
              {
                id: peer.id,
                // What it is believed to hold is there already: what it holds will be known soon.
                state: peer.met || overlap(peer.holdings, missing) ? peer.state : "pending",
                useful: overlap(peer.holdings, missing),
                busy: (peer.source?.openRanges ?? 0) > 0,
              },
            ],
      ),
      missing.length > 0,
    );
    for (const peer of introduced) {
      if (plan.leave.includes(peer.id)) peer.source?.close();
      else if (plan.promote.includes(peer.id)) this.#promote(peer);
    }
    const room = (this.#download?.job.peersMax ?? Infinity) - introduced.length + plan.leave.length;
    this.#want(this.#sought.fileId, Math.max(0, Math.min(plan.wanted, room)), missing);
  }

  #promote(peer: Peer): void {
    const download = this.#download;
    if (peer.source === undefined || download === undefined) return;
    peer.state = "active";
    // Only now: numbers of spares that are never asked would be missing where people read them.
    peer.sourceId = `donor ${download.job.nextNumber()}`;
    download.events.sourceAdded(peer.sourceId, peer.source, peer.holdings);
  }

  #want(fileId: string, wanted: number, missing: Runs): void {
    if (!this.#welcome) return;
    const nowUs = this.#world.clock.nowUs();
    if (wanted === 0) {
      if (this.#asked > 0) this.#sayWant(fileId, 0, missing, nowUs);
      this.#asked = 0;
      return;
    }
    this.#refreshOffers(fileId, nowUs);
    const peers = [...this.#peers.values()];
    const urgent = !peers.some((peer) => peer.state === "active");
    const coming = peers.some((peer) => peer.state === "pending" && nowUs < peer.introducedUs + COMING_US);
    if (urgent && coming) this.#settleIn(COMING_US);
    else this.#makeOffers(Math.min(OFFERS_KEPT, wanted), urgent ? "urgent" : "complete");
    if (urgent) for (const offer of this.#offers.values()) offer.link.hurry();
    const gathered = [...this.#offers.values()].every((offer) => offer.link.sdp !== undefined);
    const news = [...this.#offers.values()].some((offer) => !offer.deposited);
    const due = wanted > this.#asked || news || nowUs >= this.#wantedUs + WANT_AGAIN_US;
    // Gathering takes 300 ms at most, and an introduction with an offer in stock is a trip shorter: wait for it.
    if (!gathered) return; // `offered` brings us back
    const early = nowUs < this.#wantedUs + WANT_EVERY_US;
    if (due && !early) {
      this.#sayWant(fileId, wanted, missing, nowUs);
      this.#asked = wanted;
    }
    this.#settleIn(this.#wantedUs + (due && early ? WANT_EVERY_US : WANT_AGAIN_US) - nowUs);
  }

  #sayWant(fileId: string, wanted: number, missing: Runs, nowUs: number): void {
    const offers = [...this.#offers].flatMap(([offerId, offer]) => {
      const sdp = offer.link.sdp;
      if (offer.deposited || sdp === undefined || wanted === 0) return [];
      offer.deposited = true;
      return [{ offer_id: offerId, sdp }];
    });
    this.#say({
      type: "want",
      file_id: fileId,
      missing: runsToWire(missing),
      peers_max: wanted,
      offers,
    });
    this.#wantedUs = nowUs;
  }

  /** Old offers are void at both ends, and made anew. */
  #refreshOffers(fileId: string, nowUs: number): void {
    const old = [...this.#offers.values()].some((offer) => nowUs >= offer.madeUs + OFFER_LIFE_US);
    if (!old) return;
    this.#say({ type: "unwant", file_id: fileId });
    this.#asked = 0;
    for (const offer of [...this.#offers.values()]) offer.link.close("peer_unreachable");
  }

  /** Makes offers until there are so many. */
  #makeOffers(count: number, how: "urgent" | "complete"): void {
    for (let more = count - this.#offers.size; more > 0; more -= 1) this.#makeOffer(how);
  }

  /** An offer that the coordinator has not: what lies there may be on its way to another donor. */
  #spareOffer(): string {
    for (const [offerId, { deposited }] of this.#offers) if (!deposited) return offerId;
    return this.#makeOffer("urgent");
  }

  #makeOffer(offer: "urgent" | "complete"): string {
    this.#lastId += 1;
    const peer = new Peer(this.#lastId);
    const offerId = String(peer.id);
    const link = new PeerLink(this.#rtc, ROLE_DOWNLOADER, this.#world, this.#linkEvents(peer, offerId), { offer });
    peer.link = link;
    this.#offers.set(offerId, { link, peer, madeUs: this.#world.clock.nowUs(), deposited: false });
    return offerId;
  }

  #linkEvents(peer: Peer, offerId: string): ConstructorParameters<typeof PeerLink>[3] {
    return {
      offered: (sdp) => {
        if (peer.match?.make_offer === true) this.#signal(peer, { kind: "offer", sdp });
        else if (this.#asked === 0) this.#settle();
        else this.#settleIn(0);
      },
      signal: (payload) => {
        this.#signal(peer, payload);
      },
      proven: (proofs) => {
        const { match, link } = peer;
        const receiptSecret = decodeBase64(match?.receipt_secret ?? "");
        const job = this.#download?.job;
        if (match === undefined || link === undefined || receiptSecret === undefined || job === undefined) return;
        peer.source = new PeerSource(link, proofs, receiptSecret, job, this.#world, {
          greeted: () => {
            peer.met = true;
            peer.connect?.set(undefined);
          },
          holdings: (ranges) => {
            this.#holds(peer, ranges);
          },
          closed: (code) => {
            this.#gone(peer, code);
          },
        });
      },
      opened: () => {
        peer.source?.opened();
        this.#expect(peer);
      },
      frame: (frame) => {
        peer.source?.frame(frame);
      },
      writable: () => undefined, // a downloader's frames are small: requests and grants
      closed: (code) => {
        this.#offers.delete(offerId);
        if (peer.source === undefined) this.#gone(peer, code);
        else peer.source.linkClosed(code);
      },
    };
  }

  #signal(peer: Peer, payload: Parameters<ConstructorParameters<typeof PeerLink>[3]["signal"]>[0]): void {
    if (peer.match !== undefined) this.#say({ type: "signal", match_id: peer.match.match_id, payload });
  }

  #introduced(match: Complete<Match>): void {
    this.#asked = Math.max(0, this.#asked - 1);
    const offerId = match.make_offer ? this.#spareOffer() : (match.offer_id ?? "");
    const offer = this.#offers.get(offerId);
    const secret = decodeBase64(match.ticket.secret);
    if (offer === undefined || secret === undefined || this.#closed) {
      this.#say({ type: "match_report", match_id: match.match_id, outcome: "failed", code: "peer_unreachable" });
      return;
    }
    this.#offers.delete(offerId);
    const { peer, link } = offer;
    peer.match = match;
    peer.introducedUs = this.#world.clock.nowUs();
    peer.state = "pending";
    peer.connect = new Deadline(this.#world.clock, () => {
      link.close("no_channel");
    });
    peer.connect.set(this.#world.clock.nowUs() + CONNECT_US);
    this.#peers.set(match.match_id, peer);
    if (match.make_offer && link.sdp !== undefined) this.#signal(peer, { kind: "offer", sdp: link.sdp });
    link.bind({ matchId: match.match_id, secret, peerNative: match.peer_native }, this.#begun);
    this.#settleIn(0);
  }

  #signalled(matchId: string, payload: unknown): void {
    const peer = this.#peers.get(matchId);
    if (peer === undefined) return;
    try {
      peer.link?.heed(decodeSignal(payload));
    } catch (error) {
      // The other peer wrote it, the coordinator relays unseen: that peer is not to be talked with.
      peer.link?.close(codeOf(error, "message_malformed"));
    }
  }

  /** Its channel is open: what it is believed to hold is asked for before it has said so. */
  #expect(peer: Peer): void {
    const job = this.#download?.job;
    if (peer.state !== "pending" || peer.source === undefined || peer.match === undefined || job === undefined) return;
    try {
      peer.holdings = runsFromWire(peer.match.runs, job.layout.count);
    } catch {
      return; // the donor will say it
    }
    if (peer.holdings.length > 0) this.#ready(peer);
  }

  #ready(peer: Peer): void {
    peer.state = "ready";
    this.#settle();
  }

  #holds(peer: Peer, ranges: Runs): void {
    peer.holdings = ranges;
    this.#sayOpen(peer);
    const job = this.#download?.job;
    if (peer.state === "pending" && job !== undefined) {
      this.#ready(peer);
      return;
    }
    if (peer.state === "active") this.#download?.events.holdingsChanged(peer.sourceId, ranges);
    this.#settleIn(0);
  }

  /** Tells that they have met: with the holdings, when the round trip is known, or before worse is told of it. */
  #sayOpen(peer: Peer): void {
    const { match, source } = peer;
    if (match === undefined || !peer.met || peer.toldOpen) return;
    peer.toldOpen = true;
    const round_trip_ms = source?.roundTripMs ?? null;
    this.#say({ type: "match_report", match_id: match.match_id, outcome: "open", round_trip_ms });
  }

  #gone(peer: Peer, code: ErrorCode): void {
    const { match, state } = peer;
    if (state === "closed") return;
    peer.state = "closed";
    peer.connect?.set(undefined);
    if (match === undefined) {
      this.#settleIn(OFFER_RETRY_US);
      return;
    }
    this.#peers.delete(match.match_id);
    // A lie was told already, and is the end of a match as well.
    if (code !== "segment_mismatch") {
      this.#sayOpen(peer);
      const outcome = peer.met ? "closed" : "failed";
      this.#say({ type: "match_report", match_id: match.match_id, outcome, code });
    }
    if (this.#closed) return;
    if (state === "active") {
      if (this.#left.size >= LEFT_MAX) this.#left.clear();
      if (code !== "segment_mismatch") this.#left.set(peer.sourceId, match.match_id);
      this.#download?.events.sourceRemoved(peer.sourceId, code);
    }
    this.#settleIn(0);
  }
}

/** After an offer could not be made (too many connections), the next try waits so long. */
const OFFER_RETRY_US = 2_000_000;

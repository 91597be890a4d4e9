/** What a pool of donors keeps of one introduction, or of an offer that waits for one. Decides nothing. */

import type { Runs } from "../core/runs.ts";
import type { Complete } from "../wire/decode.ts";
import type { Match } from "../wire/messages.ts";
import type { Deadline } from "./clock.ts";
import type { PeerLink } from "./peer-link.ts";
import type { PeerSource } from "./peer-source.ts";

/** An offer that no match has used yet. */
export interface IdleOffer {
  readonly link: PeerLink;
  readonly peer: Peer;
  readonly madeUs: number;
  deposited: boolean;
}

/** One introduction, or an offer that waits for one. */
export class Peer {
  readonly id: number;
  sourceId = "";
  match: Complete<Match> | undefined;
  introducedUs = 0;
  link: PeerLink | undefined;
  source: PeerSource | undefined;
  holdings: Runs = [];
  state: "offered" | "pending" | "ready" | "active" | "closed" = "offered";
  /** It has proved itself: what it sends from then on is its own doing. */
  met = false;
  /** The coordinator knows that. */
  toldOpen = false;
  connect: Deadline | undefined;

  constructor(id: number) {
    this.id = id;
  }
}

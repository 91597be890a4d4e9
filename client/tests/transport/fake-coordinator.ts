/** The part of a coordinator that introduces: matches, tickets, relayed signals, receipts. One downloader, many donors. */
import { createHmac, randomBytes } from "node:crypto";
import { decodeBase64 } from "../../src/core/text.ts";
import type { SessionMessage } from "../../src/transport/session-client.ts";
import type { Complete } from "../../src/wire/decode.ts";
import type { ClientMessage, Match, Welcome } from "../../src/wire/messages.ts";

export const WELCOME: Complete<Welcome> = {
  type: "welcome",
  protocol: 1,
  session_id: "0".repeat(32),
  stun: [],
  heartbeat_ms: 25_000,
};

interface Member {
  readonly hear: (message: SessionMessage) => void;
  readonly said: ClientMessage[];
}

export class FakeCoordinator {
  readonly #members = new Map<string, Member>();
  readonly #matches = new Map<string, { readonly ends: readonly [string, string]; readonly receiptSecret: Buffer }>();
  /** Secret of the tickets that donors get; another than the downloader's makes every proof wrong. */
  donorSecret: Buffer | undefined;
  /** Offers that went into matches. */
  #used = 0;
  /** Whether sessions are up. */
  up = true;

  /** Joins under a name. @returns how to speak. */
  join(name: string, hear: (message: SessionMessage) => void): (message: ClientMessage) => boolean {
    const member: Member = { hear, said: [] };
    this.#members.set(name, member);
    return (message) => {
      if (!this.up) return false;
      member.said.push(message);
      if (message.type === "signal") this.#relay(name, message.match_id, message.payload);
      return true;
    };
  }

  said<Type extends ClientMessage["type"]>(name: string, type: Type): Extract<ClientMessage, { type: Type }>[] {
    const of = (message: ClientMessage): message is Extract<ClientMessage, { type: Type }> => message.type === type;
    return (this.#members.get(name)?.said ?? []).filter(of);
  }

  /**
   * Introduces a downloader to a donor, with an offer out of its wants if it has one left.
   *
   * @param late the offers that it sent are still on their way.
   * @returns the match's id.
   */
  introduce(downloader: string, donor: string, fileId: string, runs: number[], late = false): string {
    const offers = this.said(downloader, "want").flatMap((want) => want.offers ?? []);
    const offer = late ? undefined : offers[this.#used];
    if (offer !== undefined) this.#used += 1;
    const matchId = randomBytes(16).toString("hex");
    const receiptSecret = randomBytes(32);
    this.#matches.set(matchId, { ends: [downloader, donor], receiptSecret });
    const secret = randomBytes(32);
    const match: Complete<Match> = {
      type: "match",
      match_id: matchId,
      file_id: fileId,
      role: "donor",
      peer_native: false,
      ticket: { secret: (this.donorSecret ?? secret).toString("base64"), valid_ms: 60_000 },
      bytes_max: 2 ** 40,
      make_offer: false,
      offer_id: null,
      offer: offer?.sdp ?? null,
      runs: [],
      receipt_secret: null,
      fill: this.said(downloader, "want").at(-1)?.fill === true,
    };
    this.tell(donor, match);
    this.tell(downloader, {
      ...match,
      role: "downloader",
      ticket: { secret: secret.toString("base64"), valid_ms: 60_000 },
      make_offer: offer === undefined,
      offer_id: offer?.offer_id ?? null,
      offer: null,
      runs,
      receipt_secret: receiptSecret.toString("base64"),
    });
    return matchId;
  }

  tell(name: string, message: SessionMessage): void {
    setImmediate(() => this.#members.get(name)?.hear(message));
  }

  /** Bytes of a receipt whose MAC is right; 0 for any other. */
  receiptBytes(receipt: Extract<ClientMessage, { type: "receipt" }>): number {
    const match = this.#matches.get(receipt.match_id);
    if (match === undefined) return 0;
    const total = Buffer.alloc(8);
    total.writeBigUInt64BE(BigInt(receipt.bytes_total));
    const text = Buffer.concat([Buffer.from("distribute.io/receipt/1"), Buffer.from(receipt.match_id, "hex"), total]);
    const mac = createHmac("sha256", match.receiptSecret).update(text).digest();
    return mac.equals(decodeBase64(receipt.mac) ?? new Uint8Array()) ? receipt.bytes_total : 0;
  }

  #relay(from: string, matchId: string, payload: unknown): void {
    const other = this.#matches.get(matchId)?.ends.find((end) => end !== from);
    // Through JSON, as on the wire.
    const copy: unknown = JSON.parse(JSON.stringify(payload));
    if (other !== undefined) this.tell(other, { type: "signal", match_id: matchId, payload: copy });
  }
}

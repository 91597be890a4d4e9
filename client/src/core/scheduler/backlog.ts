/**
 * How much of what peers hold they will not have delivered when everything else is done (S8).
 *
 * A mirror helps where that is most, and with no more than that: what it takes beyond leaves a peer with nothing to do.
 */

import type { Piece } from "./coverage.ts";
import { divide, multiplyDivide } from "./exact.ts";
import type { Ledger } from "./ledger.ts";
import type { Source } from "./sources.ts";
import { BACKLOG_RUNS_MAX, MICROS_PER_S, UNKNOWN_BYTES_PER_S_MAX } from "./tuning.ts";

/** Open bytes of a piece, in its first runs: enough to compare pieces by, and bounded work. */
export function openBytes(ledger: Ledger, piece: Piece): number {
  let bytes = 0;
  let runs = 0;
  for (const [start, end] of ledger.open.within(ledger.startOf(piece.first), ledger.endOf(piece.end - 1))) {
    if (runs >= BACKLOG_RUNS_MAX) break;
    bytes += end - start;
    runs += 1;
  }
  return bytes;
}

/** What one peer is asked for by the pieces, and what it manages of that. */
interface Load {
  readonly managesBytes: number;
  askedBytes: number;
}

/** The peers' work at one moment. */
export class Backlog {
  readonly #pieces = new Map<Piece, { readonly openBytes: number; readonly loads: readonly Load[] }>();

  /**
   * @param ready all ready sources.
   * @param peers those of them that are peers and deliver.
   * @param covered the pieces that peers hold.
   */
  constructor(
    ledger: Ledger,
    ready: readonly Source[],
    peers: readonly Source[],
    covered: readonly Piece[],
    nowUs: number,
  ) {
    const known = ready.map((source) => source.rate.at(nowUs)).filter((rate) => rate !== null);
    // A source that has only begun counts like the slowest: better to help a little later than to take its work.
    const unknown = known.length > 0 ? Math.min(UNKNOWN_BYTES_PER_S_MAX, ...known) : 1;
    const rateOf = (source: Source): number => source.rate.at(nowUs) ?? unknown;
    const total = ready.reduce((sum, source) => sum + rateOf(source), 0);
    const endUs = multiplyDivide(ledger.leftBytes, MICROS_PER_S, Math.max(1, total));
    const loads = new Map<Source, Load>();
    for (const peer of peers) {
      const fetched = peer.requests.reduce((sum, request) => sum + request.remainingBytes, 0);
      const managesBytes = Math.max(0, multiplyDivide(rateOf(peer), endUs, MICROS_PER_S) - fetched);
      loads.set(peer, { managesBytes, askedBytes: 0 });
    }
    for (const piece of covered) {
      const bytes = openBytes(ledger, piece);
      const asked: Load[] = [];
      for (const [peer, load] of loads) {
        if (!peer.holds(piece.first, piece.end)) continue;
        load.askedBytes += bytes;
        asked.push(load);
      }
      this.#pieces.set(piece, { openBytes: bytes, loads: asked });
    }
  }

  /** What of the open bytes of a covered piece its holders do not manage until the end. */
  excessBytes(piece: Piece): number {
    const entry = this.#pieces.get(piece);
    if (entry === undefined) return 0;
    let managed = 0;
    for (const { askedBytes, managesBytes } of entry.loads) {
      if (askedBytes > 0) managed += multiplyDivide(entry.openBytes, Math.min(managesBytes, askedBytes), askedBytes);
    }
    return Math.max(0, entry.openBytes - managed);
  }

  /** Open bytes of a covered piece for each of its holders. */
  bytesPerHolder(piece: Piece): number {
    return divide(this.#pieces.get(piece)?.openBytes ?? 0, piece.holders);
  }
}

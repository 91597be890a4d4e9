/**
 * Who is to blame for a rejected segment (S13).
 *
 * Rules:
 * - Wrong bytes in a segment that one source sent alone: that source is the liar. No other proof bans anybody but the
 *   comparison of parts.
 * - Wrong bytes in a segment of several senders, none of them known as a liar: each is suspected, and the segment is
 *   fetched once more, whole, from one source.
 * - When that is verified, the driver compares the parts that were rejected: whose part was wrong is a liar, all others
 *   are cleared. Where no comparison comes, a suspect clears itself by whole segments of its own.
 */

import type { PartialSegment } from "./partial.ts";
import type { Source } from "./sources.ts";

/** What a rejected segment proves. Neither: a known liar had a part in it. */
export interface Verdict {
  readonly liar: Source | null;
  readonly suspects: readonly Source[];
}

/** The verdict that proves nothing. */
export const NOBODY: Verdict = { liar: null, suspects: [] };

/** Remembers which suspects wait for a comparison. */
export class Blame {
  readonly #cases = new Map<number, readonly Source[]>();

  /** A complete segment was rejected; its senders are marked as the verdict says. */
  judge(index: number, partial: PartialSegment): Verdict {
    const senders = partial.senders();
    if (senders.some((source) => source.state === "banned")) return NOBODY;
    const only = senders[0];
    if (senders.length === 1 && only !== undefined) return { liar: only, suspects: [] };
    for (const source of senders) source.suspect();
    this.#cases.set(index, senders);
    return { liar: null, suspects: senders };
  }

  /** The parts of a rejected segment were compared. Returns the liars that are still to be banned. */
  compared(index: number, wrong: readonly string[]): readonly Source[] {
    const suspects = this.#cases.get(index) ?? [];
    this.#cases.delete(index);
    const named = new Set(wrong);
    for (const source of suspects) if (!named.has(source.sourceId)) source.clear();
    return suspects.filter((source) => named.has(source.sourceId) && source.state !== "banned");
  }
}

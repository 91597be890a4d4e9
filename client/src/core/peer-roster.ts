/**
 * How many donors a download keeps, which, and whether it needs any: decides, does nothing.
 *
 * Rules:
 * - R1 A donor that holds nothing which is still missing, and that nothing is asked of, is let go.
 * - R2 At most {@link ACTIVE} donors are asked at a time: more only double set-up and segment times (measurements, part 4).
 *   They are taken in the order of their coming.
 * - R3 {@link PREPARED} more are kept connected, so that the next one is there when one of 16 MB is empty.
 * - R4 With nothing missing nobody is wanted.
 * - R5 While the mirrors alone will be done within {@link SOON_S}, nothing counts as missing: it takes that long to meet
 *   somebody on a real line, who would learn the visitor's address for nothing, and who beside a fast mirror costs more than
 *   he gives. Mirrors of unknown rate get {@link MEASURE_US} from the download's start to show it. Once a donor takes part
 *   this ends: nobody is let go for it. Whoever would rather spare the mirrors asks donors at once.
 */

import type { Policy, SourceStatus } from "./scheduler/messages.ts";

/** Donors that deliver at the same time. */
export const ACTIVE = 4;

/** Donors that are connected and wait for their turn. */
export const PREPARED = 4;

const SOON_S = 1;
export const MEASURE_US = 300_000;

/** R5: is no donor needed, `ageUs` after the download's start? */
export function mirrorsSuffice(
  policy: Policy,
  sources: readonly Pick<SourceStatus, "kind" | "state" | "rateBytesPerS">[],
  missingBytes: number,
  ageUs: number,
): boolean {
  let bytesPerS = 0;
  for (const { kind, state, rateBytesPerS } of sources) {
    if (state !== "ready" && state !== "probation") continue;
    if (kind === "peer") return false;
    if (state === "ready") bytesPerS += rateBytesPerS ?? (ageUs < MEASURE_US ? Infinity : 0);
  }
  return policy !== "spare-mirrors" && bytesPerS * SOON_S >= missingBytes;
}

export interface RosterPeer {
  readonly id: number;
  /** `pending`: introduced, not connected. `ready`: connected, waiting. `active`: given to the scheduler. */
  readonly state: "pending" | "ready" | "active";
  /** Whether it holds something that is still missing. Of pending ones it is not known and not asked. */
  readonly useful: boolean;
  /** Whether something is asked of it now. */
  readonly busy: boolean;
}

export interface RosterPlan {
  readonly leave: readonly number[];
  readonly promote: readonly number[];
  /** How many introductions more are welcome. */
  readonly wanted: number;
}

/** @param peers in the order of their coming. */
export function planRoster(peers: readonly RosterPeer[], anythingMissing: boolean): RosterPlan {
  const leave = peers.filter((peer) => peer.state !== "pending" && !peer.useful && !peer.busy).map((peer) => peer.id);
  const staying = peers.filter((peer) => !leave.includes(peer.id));
  const room = ACTIVE - staying.filter((peer) => peer.state === "active").length;
  const promote = staying
    .filter((peer) => peer.state === "ready")
    .slice(0, Math.max(0, room))
    .map((peer) => peer.id);
  const wanted = anythingMissing ? Math.max(0, ACTIVE + PREPARED - staying.length) : 0;
  return { leave, promote, wanted };
}

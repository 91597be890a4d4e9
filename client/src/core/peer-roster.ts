/**
 * How many donors a download keeps, and which: decides, does nothing.
 *
 * Rules:
 * - R1 A donor that holds nothing which is still missing, and that nothing is asked of, is let go.
 * - R2 At most {@link ACTIVE} donors are asked at a time: more only double set-up and segment times (measurements, part 4).
 *   They are taken in the order of their coming.
 * - R3 {@link PREPARED} more are kept connected, so that the next one is there when one of 16 MB is empty.
 * - R4 With nothing missing nobody is wanted.
 */

/** Donors that deliver at the same time. */
export const ACTIVE = 4;

/** Donors that are connected and wait for their turn. */
export const PREPARED = 4;

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

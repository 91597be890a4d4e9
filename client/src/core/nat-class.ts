/**
 * Which NAT class a browser's gathered candidates show: the rule of `transport/nat_probe.py`, by what a browser tells.
 *
 * Rules:
 * - The coordinator's STUN responder answers at two ports of one host. A candidate of type `srflx` is what they saw of one
 *   socket; seen alike by both it is one candidate, `unrestricted`. So is what only one of them answered: a browser does
 *   not tell the two apart, and introductions correct it (`core/reach.py`).
 * - Two ports under one foundation are of one socket (RFC 8445, section 5.1.1.3): the mapping depends on the destination's
 *   port, `restricted`. The socket's own port would say the same, but browsers hide it.
 * - Two ports of one address under foundations of their own say nothing: so looks a machine with two networks, too.
 */

import type { Nat } from "../wire/messages.ts";

export type NatClass = Nat["nat"];

const SEEN = /^a=candidate:(\S+) 1 udp \d+ (\S+) (\d+) typ srflx/gim;

/** @param sdp a local description at the end of gathering. */
export function natClassOf(sdp: string): NatClass {
  const seen = [...sdp.matchAll(SEEN)];
  const differs = (by: 1 | 2) => seen.some((one) => seen.some((other) => one[by] === other[by] && one[3] !== other[3]));
  if (differs(1)) return "restricted";
  return seen.length === 0 || differs(2) ? "unknown" : "unrestricted";
}

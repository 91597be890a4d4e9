/** Whether donors may be met, seen from who can tell the visitor of them. */

import { peersAllowed, type PeersPolicy } from "../download/preferences.ts";

/**
 * Donors see the visitor's address, which somebody must be able to say: without that, the page's `on` is worth a question
 * that nobody has answered. The visitor's own choice counts as it does everywhere.
 *
 * @param policy the page's.
 * @param isTold whether the panel is there, or the page shows its downloads itself.
 */
export function donorsAllowed(policy: PeersPolicy, isTold: boolean): PeersPolicy {
  return peersAllowed(policy === "on" && !isTold ? "ask" : policy);
}

/** The visitor's own choice about donors on this site, and what it makes of the page's. */

import { StoredChoice, type Choice } from "./stored-choice.ts";

/** What the page's tag allows: the default of those who chose nothing. */
export type PeersPolicy = "on" | "ask" | "off";

const chosenPeers = new StoredChoice("distribute-io:peers");

/** Keeps a choice for all later downloads on this site. */
export function choosePeers(choice: Choice): void {
  chosenPeers.set(choice);
}

/**
 * Whether donors may be asked: the visitor's "mirrors only" always wins, the page's `off` too.
 *
 * @returns `ask` when the visitor has to be asked first; until the answer there is no connection to anybody.
 */
export function peersAllowed(policy: PeersPolicy): PeersPolicy {
  if (policy === "off") return "off";
  return chosenPeers.get() ?? policy;
}

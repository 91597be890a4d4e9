/**
 * The visitor's own choices on this site: kept in the page's `localStorage`, under names of ours.
 *
 * A site that may not store anything (private windows, blocked storage) has a choice for the life of the page only.
 */

const PEERS_KEY = "distribute-io:peers";

export type PeersChoice = "on" | "off";

/** What the page's tag allows: the default of those who chose nothing. */
export type PeersPolicy = "on" | "ask" | "off";

let unsaved: PeersChoice | undefined;

/** What the visitor chose before; undefined when nothing. */
export function peersChoice(): PeersChoice | undefined {
  try {
    const stored = localStorage.getItem(PEERS_KEY);
    return stored === "on" || stored === "off" ? stored : unsaved;
  } catch {
    return unsaved;
  }
}

/** Keeps a choice for all later downloads on this site. */
export function choosePeers(choice: PeersChoice): void {
  unsaved = choice;
  try {
    localStorage.setItem(PEERS_KEY, choice);
  } catch {
    // Kept in memory.
  }
}

/**
 * Whether donors may be asked: the visitor's "mirrors only" always wins, the page's `off` too.
 *
 * @returns `ask` when the visitor has to be asked first; until the answer there is no connection to anybody.
 */
export function peersAllowed(policy: PeersPolicy): PeersPolicy {
  if (policy === "off") return "off";
  const chosen = peersChoice();
  if (chosen === "off") return "off";
  return chosen === "on" ? "on" : policy;
}

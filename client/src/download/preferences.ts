/** The visitor's own choice about donors on this site, and what it makes of the page's. */

import { StoredChoice, type Choice } from "./stored-choice.ts";

/** What the page's tag allows: the default of those who chose nothing. */
export type PeersPolicy = "on" | "ask" | "off";

const PEERS_KEY = "distribute-io:peers";
const chosenPeers = new StoredChoice(PEERS_KEY);
const heedful = new Set<() => void>();
let hearsOthers = false;

/** Keeps a choice for all later downloads on this site; "mirrors only" holds at once for all that its pages prepare or do. */
export function choosePeers(choice: Choice): void {
  chosenPeers.set(choice);
  if (choice === "off") forbidAll();
}

/**
 * Calls `forbid` when the visitor chooses "mirrors only" anywhere on this page, or on another one of this site.
 *
 * @returns ends that.
 */
export function heedMirrorsOnly(forbid: () => void): () => void {
  if (!hearsOthers)
    addEventListener("storage", ({ key, newValue }) => {
      if (key === PEERS_KEY && newValue === "off") forbidAll();
    });
  hearsOthers = true;
  heedful.add(forbid);
  return () => void heedful.delete(forbid);
}

function forbidAll(): void {
  for (const forbid of heedful) forbid();
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

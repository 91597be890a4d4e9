/**
 * The highest version of each name that this browser has seen on this site, so that a coordinator cannot serve an old
 * file, with an old and true signature, in place of the present one.
 *
 * Kept in the page's `localStorage`; a browser that keeps nothing has no memory to go by.
 */

import type { VersionMemory } from "./trust.ts";

const KEY = "distribute-io:versions";

/** Names that are remembered; the one that was seen longest ago is forgotten first. */
const NAMES_MAX = 256;

/** The memory of this site in this browser. */
export const siteVersions: VersionMemory = {
  highest: (signer, cause, name) => read().get(label(signer, cause, name)),
  saw: (signer, cause, name, version) => {
    const versions = read();
    const own = label(signer, cause, name);
    const highest = Math.max(version, versions.get(own) ?? 0);
    versions.delete(own); // to the end: seen last
    versions.set(own, highest);
    const kept = [...versions].slice(-NAMES_MAX);
    try {
      localStorage.setItem(KEY, JSON.stringify(kept));
    } catch {
      // Nothing may be stored here.
    }
  },
};

function label(signer: string, cause: string, name: string): string {
  return `${signer} ${cause} ${name}`;
}

function read(): Map<string, number> {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return new Map(Array.isArray(value) ? value.filter(isRow) : []);
  } catch {
    return new Map();
  }
}

/** The page itself may have written anything there. */
function isRow(value: unknown): value is [string, number] {
  return Array.isArray(value) && typeof value[0] === "string" && Number.isSafeInteger(value[1]);
}

/**
 * Which file names and causes a manifest may carry (spec/manifest.md section 5).
 *
 * A name is written to somebody else's disk, so it must mean the same file, below the folder that was chosen, everywhere.
 * The rules and their reasons are those of `distribute_io.manifest.names`.
 */

import { ManifestError } from "../wire/errors.ts";
import { MANIFEST_LIMITS } from "./manifest-limits.ts";
import { isWellFormed, utf8Length } from "./text.ts";

// C0, DEL, C1 and backslash; marks that change the direction of writing; line and paragraph separator, byte-order mark;
// what XML cannot hold.
const FORBIDDEN =
  // eslint-disable-next-line no-control-regex -- control characters are what it looks for
  /[\u0000-\u001f\u007f-\u009f\\\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\ufffe\uffff]/;
const CAUSE = /^[a-z0-9][a-z0-9-]{0,63}$/;

/**
 * Returns `name` if a file may be saved by it.
 *
 * @throws ManifestError `manifest_bad_name`, with the reason in the text.
 */
export function checkName(name: string): string {
  const fault = faultOf(name);
  if (fault !== undefined) throw new ManifestError("manifest_bad_name", `The file name is refused: ${fault}.`);
  return name;
}

function faultOf(name: string): string | undefined {
  if (!isWellFormed(name)) return "it is not UTF-8";
  if (utf8Length(name) > MANIFEST_LIMITS.NAME_BYTES_MAX) return "it is too long";
  if (FORBIDDEN.test(name)) return "it has a backslash, a control character or a direction mark";
  if (/^[A-Za-z]:/.test(name)) return "it begins with a drive letter";
  for (const part of name.split("/")) {
    if (part === "") return "it is empty, absolute, or has an empty part";
    if (utf8Length(part) > MANIFEST_LIMITS.NAME_PART_BYTES_MAX) return "a part is too long";
    if (part.startsWith(".")) return "a part begins with a dot";
    if (/^ |[ .]$/.test(part)) return "a part ends in a dot, or begins or ends with a space";
  }
  return undefined;
}

/**
 * Returns `cause` if it is 1 to 64 of `a-z 0-9 -` and begins with a letter or digit.
 *
 * @throws ManifestError `manifest_bad_cause`.
 */
export function checkCause(cause: string): string {
  if (!CAUSE.test(cause)) throw new ManifestError("manifest_bad_cause", "The name of the cause is refused.");
  return cause;
}

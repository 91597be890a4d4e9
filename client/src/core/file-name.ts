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
 * @throws ManifestError `manifest_bad_name`; `dio publish`, which refuses it first, says why.
 */
export function checkName(name: string): string {
  if (!isSafe(name)) throw new ManifestError("manifest_bad_name", "The file name is refused.");
  return name;
}

function isSafe(name: string): boolean {
  return (
    isWellFormed(name) &&
    utf8Length(name) <= MANIFEST_LIMITS.NAME_BYTES_MAX &&
    !FORBIDDEN.test(name) &&
    !/^[A-Za-z]:/.test(name) && // a drive
    name.split("/").every(isSafePart)
  );
}

/** Neither empty, so that the whole is not absolute, nor hidden, nor what Windows would write under another name. */
function isSafePart(part: string): boolean {
  return part !== "" && utf8Length(part) <= MANIFEST_LIMITS.NAME_PART_BYTES_MAX && !/^[. ]|[ .]$/.test(part);
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

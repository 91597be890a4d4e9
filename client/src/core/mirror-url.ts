/** Which addresses a mirror may have (spec/manifest.md section 9): decided by the text, as `distribute_io.manifest.mirrors`. */

import { ManifestError } from "../wire/errors.ts";
import { MANIFEST_LIMITS } from "./manifest-limits.ts";

// No user name or password, other alphabets as punycode, no fragment, nothing that two programs read differently.
const URL_FORM =
  /^https?:\/\/(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9._-]*)(?::([0-9]{1,5}))?(?:[/?][!$-;=?-[\]-~]*)?$/;

/**
 * Returns `url` if it can be the address of a mirror: absolute, http or https, no user, no fragment, ASCII.
 *
 * @throws ManifestError `manifest_bad_mirror`.
 */
export function checkMirrorUrl(url: string): string {
  const match = url.length <= MANIFEST_LIMITS.URL_BYTES_MAX ? URL_FORM.exec(url) : null;
  const port = match?.[1] === undefined ? 1 : Number(match[1]);
  if (match === null || port < 1 || port > 65_535) {
    throw new ManifestError("manifest_bad_mirror", "A mirror's address is not an absolute http or https address.");
  }
  return url;
}

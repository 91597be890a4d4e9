/** WebCrypto behind the interfaces of the core. Needs a secure context (https or localhost), as all of this project. */

import type { ManifestCrypto } from "../core/dsse.ts";
import { UsageError } from "../wire/errors.ts";
import type { Sha256 } from "../core/verified.ts";

/** SHA-256 by the engine's own code, on threads of its own. */
export const sha256: Sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

/** What manifests are verified with. Ed25519 is in Chromium since 137, Firefox since 129, Safari since 17. */
export const manifestCrypto: ManifestCrypto = {
  sha256,
  verifyEd25519: async (publicKey, signature, message) => {
    try {
      const key = await crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
      return await crypto.subtle.verify("Ed25519", key, signature, message);
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      if (error.name === "NotSupportedError") {
        throw new UsageError("unsupported_browser", "This browser cannot check Ed25519 signatures.", { cause: error });
      }
      // What no engine can use (a key that is no point of the curve) fits nothing. It must not pass for our inability:
      // then the plain link would be followed, and whoever made the signature would decide that.
      return false;
    }
  },
};

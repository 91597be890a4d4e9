/** HMAC-SHA-256 (RFC 2104) by WebCrypto, which only secure contexts have. */

import type { HmacSha256 } from "../wire/proofs.ts";

export const webCryptoHmac: HmacSha256 = async (key, message) => {
  const imported = await crypto.subtle.importKey("raw", own(key), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, own(message)));
};

/** WebCrypto takes no views of shared memory; ours never are, and a copy of some bytes says so to the type checker. */
function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

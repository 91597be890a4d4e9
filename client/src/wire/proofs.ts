/** What goes into the two MACs of the peer protocol (spec/peer-frames.md sections 3 and 6); HMAC-SHA-256 is injected. */

/** HMAC-SHA-256 of `message` under `key`: WebCrypto in browsers and Node. */
export type HmacSha256 = (key: Uint8Array, message: Uint8Array) => Promise<Uint8Array>;

const FINGERPRINT = /^a=fingerprint:sha-256 ((?:[0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2})\s*$/m;
const TICKET_LABEL = ascii("distribute.io/ticket/1");
const RECEIPT_LABEL = ascii("distribute.io/receipt/1");

/** The first SHA-256 DTLS fingerprint of a session description (RFC 8122), 32 raw bytes; undefined if there is none. */
export function fingerprintOf(sdp: string): Uint8Array | undefined {
  const found = FINGERPRINT.exec(sdp)?.[1];
  return found === undefined ? undefined : Uint8Array.from(found.split(":"), (pair) => Number.parseInt(pair, 16));
}

/** What the peer of `role` puts in its hello: proof that this very connection is the one that was introduced. */
export function ticketProof(
  hmac: HmacSha256,
  secret: Uint8Array,
  of: {
    readonly role: number;
    readonly matchId: Uint8Array;
    readonly offererFingerprint: Uint8Array;
    readonly answererFingerprint: Uint8Array;
  },
): Promise<Uint8Array> {
  const role = Uint8Array.of(of.role);
  return hmac(secret, concat(TICKET_LABEL, role, of.matchId, of.offererFingerprint, of.answererFingerprint));
}

/** The MAC of a cumulative receipt; `receiptSecret` is known to the downloader and the coordinator only. */
export function receiptMac(
  hmac: HmacSha256,
  receiptSecret: Uint8Array,
  of: { readonly matchId: Uint8Array; readonly bytesTotal: number },
): Promise<Uint8Array> {
  const total = new Uint8Array(8);
  new DataView(total.buffer).setBigUint64(0, BigInt(of.bytesTotal));
  return hmac(receiptSecret, concat(RECEIPT_LABEL, of.matchId, total));
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

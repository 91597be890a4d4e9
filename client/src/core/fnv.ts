/** FNV-1a, 32 bits: finds writes that a crash tore; it is no protection against anybody, the digests are. */
export function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

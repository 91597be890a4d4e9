/**
 * SHA-256 of bytes that come in parts, which WebCrypto cannot do (FIPS 180-4).
 *
 * This part keeps what does not fill a block, pads, and saves the state between two parts; the compression function is
 * an engine's: WebAssembly (sha256-wasm.ts) or JavaScript (sha256-plain.ts). A state is the same for both.
 */

import { BLOCK_BYTES } from "./sha256-constants.ts";
import { toHex } from "../core/hex.ts";

/** What does the work. */
export interface Sha256Engine {
  /** The chaining value, 8 words; changed by `compress`, and from outside when a saved state is loaded. */
  readonly state: Uint32Array;
  /** Takes whole blocks: `bytes` has a multiple of 64. */
  compress(bytes: Uint8Array): void;
}

/** "dsh", version 1; then the length so far (8 bytes), the chaining value (32), and what does not fill a block. */
const TAG = 0x64736801;
const HEAD_BYTES = 44;

export class Sha256Stream {
  readonly #engine: Sha256Engine;
  /** Bytes that do not fill a block yet: the last ones of `#lengthBytes`. */
  readonly #rest = new Uint8Array(BLOCK_BYTES);
  #lengthBytes = 0;

  /** @param engine in its initial state. */
  constructor(engine: Sha256Engine) {
    this.#engine = engine;
  }

  /** Takes the next bytes; nothing of them is kept but a copy of what does not fill a block. */
  update(bytes: Uint8Array): void {
    let part = bytes;
    const kept = this.#lengthBytes % BLOCK_BYTES;
    this.#lengthBytes += bytes.byteLength;
    if (kept > 0) {
      const missing = part.subarray(0, BLOCK_BYTES - kept);
      this.#rest.set(missing, kept);
      if (kept + missing.byteLength < BLOCK_BYTES) return;
      this.#engine.compress(this.#rest);
      part = part.subarray(missing.byteLength);
    }
    const whole = part.byteLength - (part.byteLength % BLOCK_BYTES);
    this.#engine.compress(part.subarray(0, whole));
    this.#rest.set(part.subarray(whole));
  }

  /** @returns lower-case hexadecimal; nothing may be added afterwards. */
  digest(): string {
    const kept = this.#lengthBytes % BLOCK_BYTES;
    const last = new Uint8Array(kept < BLOCK_BYTES - 8 ? BLOCK_BYTES : 2 * BLOCK_BYTES);
    last.set(this.#rest.subarray(0, kept));
    last[kept] = 0x80;
    new DataView(last.buffer).setBigUint64(last.byteLength - 8, 8n * BigInt(this.#lengthBytes));
    this.#engine.compress(last);
    return toHex(words(this.#engine.state));
  }

  /** The state after all that was taken so far. */
  save(): Uint8Array<ArrayBuffer> {
    const kept = this.#lengthBytes % BLOCK_BYTES;
    const saved = new Uint8Array(HEAD_BYTES + kept);
    const view = new DataView(saved.buffer);
    view.setUint32(0, TAG);
    view.setBigUint64(4, BigInt(this.#lengthBytes));
    saved.set(words(this.#engine.state), 12);
    saved.set(this.#rest.subarray(0, kept), HEAD_BYTES);
    return saved;
  }

  /** Goes on from a saved state. @returns false, and nothing is changed, when it is none of ours. */
  load(saved: Uint8Array): boolean {
    if (saved.byteLength < HEAD_BYTES) return false;
    const view = new DataView(saved.buffer, saved.byteOffset, saved.byteLength);
    const lengthBytes = Number(view.getBigUint64(4));
    const right = saved.byteLength === HEAD_BYTES + (lengthBytes % BLOCK_BYTES);
    if (view.getUint32(0) !== TAG || !Number.isSafeInteger(lengthBytes) || !right) return false;
    this.#lengthBytes = lengthBytes;
    this.#engine.state.forEach((_, index, state) => {
      state[index] = view.getUint32(12 + 4 * index);
    });
    this.#rest.set(saved.subarray(HEAD_BYTES));
    return true;
  }
}

/** The chaining value as bytes, most significant first. */
function words(state: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(4 * state.length);
  const view = new DataView(bytes.buffer);
  state.forEach((word, index) => {
    view.setUint32(4 * index, word);
  });
  return bytes;
}

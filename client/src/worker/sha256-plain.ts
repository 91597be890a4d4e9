/** The compression function of SHA-256 in JavaScript, for pages whose CSP forbids WebAssembly. */

import { BLOCK_BYTES, INITIAL_STATE, ROUND_CONSTANTS } from "./sha256-constants.ts";
import type { Sha256Engine } from "./sha256-stream.ts";

const CONSTANTS = Int32Array.from(ROUND_CONSTANTS);

/** Starts from the initial state. */
export function plainEngine(): Sha256Engine {
  const state = Uint32Array.from(INITIAL_STATE);
  const schedule = new Int32Array(64);
  return {
    state,
    compress: (bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let at = 0; at < bytes.byteLength; at += BLOCK_BYTES) {
        fillSchedule(schedule, view, at);
        compressBlock(state, schedule);
      }
    },
  };
}

// FIPS 180-4, section 6.2.2, with its letters. Words are signed integers throughout: one value above 2^31 would make the
// engine calculate all of them as doubles. No destructuring: it takes longer than the rounds.

function fillSchedule(w: Int32Array, view: DataView, at: number): void {
  for (let t = 0; t < 16; t += 1) w[t] = view.getInt32(at + 4 * t);
  for (let t = 16; t < 64; t += 1) {
    const x = at32(w, t - 15);
    const y = at32(w, t - 2);
    const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
    const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
    w[t] = (at32(w, t - 16) + s0 + at32(w, t - 7) + s1) | 0;
  }
}

function compressBlock(state: Uint32Array, w: Int32Array): void {
  let a = at32(state, 0);
  let b = at32(state, 1);
  let c = at32(state, 2);
  let d = at32(state, 3);
  let e = at32(state, 4);
  let f = at32(state, 5);
  let g = at32(state, 6);
  let h = at32(state, 7);
  for (let t = 0; t < 64; t += 1) {
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const t1 = (h + s1 + (g ^ (e & (f ^ g))) + at32(CONSTANTS, t) + at32(w, t)) | 0;
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const t2 = (s0 + ((a & b) ^ (c & (a ^ b)))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] = at32(state, 0) + a;
  state[1] = at32(state, 1) + b;
  state[2] = at32(state, 2) + c;
  state[3] = at32(state, 3) + d;
  state[4] = at32(state, 4) + e;
  state[5] = at32(state, 5) + f;
  state[6] = at32(state, 6) + g;
  state[7] = at32(state, 7) + h;
}

function rotate(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}

/** A word as a signed integer; the index is always within. */
function at32(words: Int32Array | Uint32Array, index: number): number {
  return (words[index] ?? 0) | 0;
}

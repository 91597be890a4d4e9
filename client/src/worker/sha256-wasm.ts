/**
 * The compression function of SHA-256 as WebAssembly, written out instruction by instruction when a hasher starts.
 *
 * It is 1.3 times as fast as compiled C (bench/page_hash.py; docs/decisions/0021-own-sha256.md), for two reasons:
 * - The message schedules of four blocks do not depend on each other: they are computed at once, a block in each lane
 *   of 128-bit words, with the round constants added. Only the rounds are left to be done block by block.
 * - The 64 rounds are unrolled, so that the eight working variables change roles and never places.
 *
 * The module has no imports, one memory and one function. The letters are those of FIPS 180-4, section 6.2.2.
 */

import { BLOCK_BYTES, INITIAL_STATE, ROUND_CONSTANTS } from "./sha256-constants.ts";
import type { Sha256Engine } from "./sha256-stream.ts";
import { WasmCode, wasmModule } from "./wasm-code.ts";

/** Blocks whose schedules are made at once: the lanes of a 128-bit word. */
const LANES = 4;

// Places in the module's memory, in bytes.
const STATE_AT = 0;
/** For each round the four blocks' schedule words, round constant added. */
const SCHEDULE_AT = 64;
/** For each round its constant, four times. */
const CONSTANTS_AT = SCHEDULE_AT + 64 * 16;
const INPUT_AT = 4096;
/** Fits the second-level cache with all else. What lies behind it is read, and not used, when blocks are no multiple of 4. */
const INPUT_BYTES = 65_536;
const MEMORY_PAGES = 2;

/**
 * Starts from the initial state.
 *
 * @throws WebAssembly.CompileError where the page's CSP has no `'wasm-unsafe-eval'`, or the machine no SIMD.
 */
export async function wasmEngine(): Promise<Sha256Engine> {
  const { instance } = await WebAssembly.instantiate(wasmModule(MEMORY_PAGES, compressFunction()));
  // The exports are those that wasmModule() writes.
  const { memory, run } = instance.exports as unknown as {
    memory: WebAssembly.Memory;
    run: (at: number, blocks: number) => void;
  };
  const state = new Uint32Array(memory.buffer, STATE_AT, 8);
  state.set(INITIAL_STATE);
  const constants = new Uint32Array(memory.buffer, CONSTANTS_AT, 64 * LANES);
  ROUND_CONSTANTS.forEach((constant, t) => constants.fill(constant, LANES * t, LANES * (t + 1)));
  const input = new Uint8Array(memory.buffer, INPUT_AT, INPUT_BYTES);
  return {
    state,
    compress: (bytes) => {
      for (let at = 0; at < bytes.byteLength; at += INPUT_BYTES) {
        const part = bytes.subarray(at, at + INPUT_BYTES);
        input.set(part);
        run(INPUT_AT, part.byteLength / BLOCK_BYTES);
      }
    },
  };
}

// Locals of the function: its two parameters, then 32-bit ones, then 128-bit ones.
const AT = 0;
const BLOCKS = 1;
const STATE = 2; // eight: a to h, whose roles turn with each round
const SUM = 10;
const A_XOR_B = 11; // two, in turn: this round's a ^ b is the next one's b ^ c
const LANE = 13;
const INTEGERS = 12;
const WORD = 14; // sixteen: the last words of the schedule
const ROW = 30; // four
const PAIR = 34; // four
const VECTORS = 24;

// Which of the 32 bytes of two vectors.
const SWAPPED = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12];
const LOW_WORDS = bytesOf([0, 4, 1, 5]);
const HIGH_WORDS = bytesOf([2, 6, 3, 7]);
const LOW_PAIRS = bytesOf([0, 1, 4, 5]);
const HIGH_PAIRS = bytesOf([2, 3, 6, 7]);

function bytesOf(words: readonly number[]): number[] {
  return words.flatMap((word) => [4 * word, 4 * word + 1, 4 * word + 2, 4 * word + 3]);
}

/** Takes `BLOCKS` blocks from `AT` on: of each four their schedules, then block by block the rounds. */
function compressFunction(): WasmCode {
  const code = new WasmCode(INTEGERS, VECTORS);
  for (let word = 0; word < 8; word += 1) {
    code
      .constant(0)
      .load(STATE_AT + 4 * word)
      .set(STATE + word);
  }
  code.loop();
  for (let group = 0; group < 4; group += 1) readWords(code, group);
  for (let t = 0; t < 64; t += 1) schedule(code, t);
  code.constant(0).set(LANE).loop();
  code
    .get(STATE + 1)
    .get(STATE + 2)
    .xor()
    .set(A_XOR_B + 1);
  for (let t = 0; t < 64; t += 1) round(code, t);
  for (let word = 0; word < 8; word += 1) {
    code.constant(0).get(STATE + word);
    code.constant(0).load(STATE_AT + 4 * word);
    code
      .add()
      .tee(STATE + word)
      .store(STATE_AT + 4 * word);
  }
  code.get(BLOCKS).constant(1).subtract().set(BLOCKS);
  // Again while there is a lane left, and a block.
  code.get(LANE).constant(4).add().tee(LANE);
  code.constant(4 * LANES).lower();
  code.constant(0).get(BLOCKS).lower().and().repeatIf().end();
  code
    .get(AT)
    .constant(LANES * BLOCK_BYTES)
    .add()
    .set(AT);
  code.get(BLOCKS).repeatIf().end();
  return code;
}

const wordLocal = (t: number): number => WORD + (t % 16);

/** Reads words `4 group` to `4 group + 3` of four blocks, and makes columns of rows: a word's four blocks in a local. */
function readWords(code: WasmCode, group: number): void {
  for (let block = 0; block < LANES; block += 1) {
    const row = ROW + block;
    code.get(AT).vectorLoad(BLOCK_BYTES * block + 16 * group);
    code.tee(row).get(row).shuffle(SWAPPED).set(row);
  }
  code.get(ROW).get(ROW + 1);
  code.shuffle(LOW_WORDS).set(PAIR);
  code.get(ROW + 2).get(ROW + 3);
  code.shuffle(LOW_WORDS).set(PAIR + 1);
  code.get(ROW).get(ROW + 1);
  code.shuffle(HIGH_WORDS).set(PAIR + 2);
  code.get(ROW + 2).get(ROW + 3);
  code.shuffle(HIGH_WORDS).set(PAIR + 3);
  for (let word = 0; word < 4; word += 1) {
    const pair = PAIR + 2 * Math.floor(word / 2);
    code.get(pair).get(pair + 1);
    code.shuffle(word % 2 === 0 ? LOW_PAIRS : HIGH_PAIRS).set(wordLocal(4 * group + word));
  }
}

/** W(t) of four blocks into its local, and with K(t) added into the schedule. */
function schedule(code: WasmCode, t: number): void {
  if (t >= 16) {
    code.get(wordLocal(t));
    vectorSigma(code, wordLocal(t + 1), 7, 18, 3);
    code
      .vectorAdd()
      .get(wordLocal(t + 9))
      .vectorAdd();
    vectorSigma(code, wordLocal(t + 14), 17, 19, 10);
    code.vectorAdd().set(wordLocal(t));
  }
  code.constant(0).get(wordLocal(t));
  code
    .constant(0)
    .vectorLoad(CONSTANTS_AT + 16 * t)
    .vectorAdd();
  code.vectorStore(SCHEDULE_AT + 16 * t);
}

/** The exclusive or of two rotations to the right and a shift. */
function vectorSigma(code: WasmCode, local: number, first: number, second: number, shift: number): void {
  for (const bits of [first, second]) {
    code.get(local).constant(bits).vectorShiftRight();
    code
      .get(local)
      .constant(32 - bits)
      .vectorShiftLeft()
      .vectorOr();
  }
  code.vectorXor().get(local).constant(shift).vectorShiftRight().vectorXor();
}

/** One round. */
function round(code: WasmCode, t: number): void {
  const local = (role: number) => STATE + ((role + 64 - t) % 8);
  const [a, b, d, e, f, g, h] = [local(0), local(1), local(3), local(4), local(5), local(6), local(7)];
  // h + K + W + Ch(e, f, g) + Sigma1(e); Ch as g ^ (e & (f ^ g))
  code
    .get(h)
    .get(LANE)
    .load(SCHEDULE_AT + 16 * t)
    .add();
  code.get(f).get(g).xor().get(e).and().get(g).xor().add();
  sigma(code, e, 6, 11, 25);
  code.add().tee(SUM);
  code.get(d).add().set(d);
  // ... + Maj(a, b, c) + Sigma0(a); Maj as ((a ^ b) & (b ^ c)) ^ b, whose b ^ c is the round before's a ^ b
  code
    .get(SUM)
    .get(a)
    .get(b)
    .xor()
    .tee(A_XOR_B + (t % 2));
  code
    .get(A_XOR_B + ((t + 1) % 2))
    .and()
    .get(b)
    .xor()
    .add();
  sigma(code, a, 2, 13, 22);
  code.add().set(h);
}

/** The exclusive or of three rotations to the right. */
function sigma(code: WasmCode, local: number, first: number, second: number, third: number): void {
  code.get(local).constant(first).rotateRight();
  code.get(local).constant(second).rotateRight().xor();
  code.get(local).constant(third).rotateRight().xor();
}

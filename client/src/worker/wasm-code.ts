/**
 * Writes WebAssembly: the few instructions that sha256-wasm.ts needs, and a module around one function.
 *
 * Opcodes and layout: WebAssembly core specification 2.0, section 5. Operands are pushed first, as the machine has a stack.
 */

/** The body of one function `(i32, i32) -> ()`; locals 0 and 1 are its parameters. */
export class WasmCode {
  readonly #bytes: number[] = [];

  /** @param integers 32-bit locals after the parameters. @param vectors 128-bit locals after those. */
  constructor(integers: number, vectors: number) {
    this.#push(2, integers, 0x7f, vectors, 0x7b);
  }

  get(local: number): this {
    return this.#push(0x20, local);
  }

  set(local: number): this {
    return this.#push(0x21, local);
  }

  /** Sets, and keeps the value on the stack. */
  tee(local: number): this {
    return this.#push(0x22, local);
  }

  /** @param value from 0 on. */
  constant(value: number): this {
    // Signed LEB128: the highest of the last seven bits is the sign.
    return value < 0x40 ? this.#push(0x41, value) : this.#push(0x41, (value & 0x7f) | 0x80).#unsigned(value >> 7, 0x40);
  }

  load(offset: number): this {
    return this.#push(0x28, 2).#unsigned(offset);
  }

  store(offset: number): this {
    return this.#push(0x36, 2).#unsigned(offset);
  }

  add(): this {
    return this.#push(0x6a);
  }

  subtract(): this {
    return this.#push(0x6b);
  }

  and(): this {
    return this.#push(0x71);
  }

  xor(): this {
    return this.#push(0x73);
  }

  rotateRight(): this {
    return this.#push(0x78);
  }

  /** Whether the first is lower than the second, without sign. */
  lower(): this {
    return this.#push(0x49);
  }

  vectorLoad(offset: number): this {
    return this.#push(0xfd, 0x00, 4).#unsigned(offset);
  }

  vectorStore(offset: number): this {
    return this.#push(0xfd, 0x0b, 4).#unsigned(offset);
  }

  vectorAdd(): this {
    return this.#push(0xfd, 0xae, 0x01);
  }

  vectorXor(): this {
    return this.#push(0xfd, 0x51);
  }

  vectorOr(): this {
    return this.#push(0xfd, 0x50);
  }

  vectorShiftLeft(): this {
    return this.#push(0xfd, 0xab, 0x01);
  }

  vectorShiftRight(): this {
    return this.#push(0xfd, 0xad, 0x01);
  }

  /** @param bytes which 16 of the 32 bytes of two vectors. */
  shuffle(bytes: readonly number[]): this {
    return this.#push(0xfd, 0x0d, ...bytes);
  }

  loop(): this {
    return this.#push(0x03, 0x40);
  }

  /** Begins the innermost loop again if the value is not 0. */
  repeatIf(): this {
    return this.#push(0x0d, 0);
  }

  end(): this {
    return this.#push(0x0b);
  }

  /** The finished body, in the form that a module's code section wants. */
  sized(): number[] {
    return sized([...this.#bytes, 0x0b]);
  }

  #push(...bytes: number[]): this {
    this.#bytes.push(...bytes);
    return this;
  }

  /** LEB128; `more` says from which value on another byte is needed. */
  #unsigned(value: number, more = 0x80): this {
    return value < more ? this.#push(value) : this.#push((value & 0x7f) | 0x80).#unsigned(value >> 7, more);
  }
}

/**
 * A module with one memory of so many pages, exported as `memory`, and one function, exported as `run`.
 */
export function wasmModule(memoryPages: number, code: WasmCode): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 2, 0x7f, 0x7f, 0]), // one type: two integers, no result
    ...section(3, [1, 0]), // one function, of that type
    ...section(5, [1, 0, memoryPages]),
    ...section(7, [2, ...name("memory"), 2, 0, ...name("run"), 0, 0]),
    ...section(10, [1, ...code.sized()]),
  ]);
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...sized(content)];
}

function name(text: string): number[] {
  return sized(Array.from(text, (letter) => letter.charCodeAt(0)));
}

/** Preceded by its length, LEB128. */
function sized(content: readonly number[]): number[] {
  const length = [];
  let rest = content.length;
  for (; rest >= 0x80; rest >>= 7) length.push((rest & 0x7f) | 0x80);
  return [...length, rest, ...content];
}

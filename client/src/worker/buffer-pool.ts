/**
 * The memory bound of a download: a fixed number of buffers of one segment each.
 *
 * A reader that finds the pool empty waits, so its connection is not read and the mirror is slowed by TCP. The one
 * exception keeps the download alive: when no buffer is on its way back (all lie in segments that other requests must
 * complete), a reader gets one more, so the bound is the pool plus one buffer for each open request.
 */
export class BufferPool {
  readonly #bufferBytes: number;
  readonly #bound: number;
  readonly #free: ArrayBuffer[] = [];
  #taken = 0;
  #returning = 0;
  #waiting: (() => void)[] = [];

  /**
   * @param bufferBytes size of each buffer.
   * @param bound number of buffers; they are made on first use.
   */
  constructor(bufferBytes: number, bound: number) {
    this.#bufferBytes = bufferBytes;
    this.#bound = bound;
  }

  /** Buffers in use now. */
  get taken(): number {
    return this.#taken;
  }

  /** Takes a buffer when one is free or may be made; undefined when the caller should wait for {@link freed}. */
  tryTake(): ArrayBuffer | undefined {
    return this.#taken < this.#bound || this.#returning === 0 ? this.take() : undefined;
  }

  /** Takes a buffer even beyond the bound: for bytes that came already and were granted before. */
  take(): ArrayBuffer {
    this.#taken += 1;
    return this.#free.pop() ?? new ArrayBuffer(this.#bufferBytes);
  }

  /** Says that a taken buffer will be given back whatever the network does: its segment is complete. */
  announceReturn(): void {
    this.#returning += 1;
  }

  /** Gives a buffer back whose return was announced. */
  giveBack(buffer: ArrayBuffer): void {
    this.#returning -= 1;
    this.#taken -= 1;
    if (this.#free.length + this.#taken < this.#bound) this.#free.push(buffer);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }

  /** Resolves when a buffer has been given back since the call. */
  freed(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }
}

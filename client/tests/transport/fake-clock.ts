/** Time that stands until a test moves it. */
import type { Clock } from "../../src/transport/clock.ts";

export class FakeClock implements Clock {
  #nowUs = 0;
  #timers: { readonly atUs: number; readonly run: () => void }[] = [];

  nowUs(): number {
    return this.#nowUs;
  }

  after(delayUs: number, callback: () => void): () => void {
    const timer = { atUs: this.#nowUs + delayUs, run: callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Lets time pass; whatever is due runs in order, and what it starts in between has settled. */
  async pass(us: number): Promise<void> {
    const endUs = this.#nowUs + us;
    for (;;) {
      await settled();
      const next = this.#timers.filter((timer) => timer.atUs <= endUs).sort((a, b) => a.atUs - b.atUs)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#nowUs = Math.max(this.#nowUs, next.atUs);
      next.run();
    }
    this.#nowUs = endUs;
  }
}

/** Lets everything run that is waiting for nothing but its turn; WebCrypto's answers come from other threads. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

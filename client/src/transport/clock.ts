/** Time as what runs in a worker gets it: an argument, so that tests have their own. */

export interface Clock {
  /** Monotonic, integer microseconds. */
  nowUs(): number;
  /** Calls back once; returns what takes the call back. */
  after(delayUs: number, callback: () => void): () => void;
}

/** The clock of a worker or window. */
export function systemClock(): Clock {
  return {
    nowUs: () => Math.round(performance.now() * 1_000),
    after: (delayUs, callback) => {
      const timer = setTimeout(callback, Math.ceil(delayUs / 1_000));
      return () => {
        clearTimeout(timer);
      };
    },
  };
}

/** Calls back again and again. @returns what ends it. */
export function every(clock: Clock, periodUs: number, callback: () => void): () => void {
  let cancel: (() => void) | undefined;
  const arm = () => {
    cancel = clock.after(periodUs, () => {
      arm();
      callback();
    });
  };
  arm();
  return () => {
    cancel?.();
  };
}

/** One call back at a time, at the last time it was set for: what a machine's `nextDeadlineUs` needs. */
export class Deadline {
  readonly #clock: Clock;
  readonly #callback: () => void;
  #atUs: number | undefined;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, callback: () => void) {
    this.#clock = clock;
    this.#callback = callback;
  }

  /** Calls back at `atUs` and at no other time; undefined for never. */
  set(atUs: number | undefined): void {
    if (atUs === this.#atUs) return;
    this.#cancel?.();
    this.#atUs = atUs;
    this.#cancel = undefined;
    if (atUs === undefined) return;
    this.#cancel = this.#clock.after(Math.max(0, atUs - this.#clock.nowUs()), () => {
      this.#atUs = undefined;
      this.#cancel = undefined;
      this.#callback();
    });
  }
}

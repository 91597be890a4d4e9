/**
 * Keeps a phone's screen on while it donates and the page is in sight: phones stop pages that are not.
 *
 * Browsers take the lock away when the page is hidden, and refuse one then; systems take it away when the battery runs low.
 * It is asked for again when the page is seen the next time. Where there is none, the screen goes dark as ever.
 */
export class ScreenLock {
  #wanted = false;
  #lock: Promise<WakeLockSentinel | undefined> | undefined;

  constructor() {
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#ask();
      else this.#lock = undefined;
    });
  }

  /** From now on the lock is held when it can be, or not. */
  want(wanted: boolean): void {
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    if (wanted) this.#ask();
    else {
      void this.#lock?.then((lock) => lock?.release());
      this.#lock = undefined;
    }
  }

  #ask(): void {
    const isSeen = document.visibilityState === "visible";
    if (!this.#wanted || !isSeen || this.#lock !== undefined || !isPhone() || !("wakeLock" in navigator)) return;
    const forget = (): undefined => {
      if (this.#lock === asked) this.#lock = undefined;
    };
    const asked: Promise<WakeLockSentinel | undefined> = navigator.wakeLock.request("screen").then((lock) => {
      lock.addEventListener("release", forget); // by the system, too
      return lock;
    }, forget);
    this.#lock = asked;
  }
}

/** A device that is held in the hand: its browser stops pages in the background. */
export function isPhone(): boolean {
  return matchMedia("(pointer: coarse) and (hover: none)").matches;
}

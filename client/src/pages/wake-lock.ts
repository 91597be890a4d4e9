/**
 * Keeps a phone's screen on while it donates and the page is in sight: phones stop pages that are not.
 *
 * Browsers take the lock away when the page is hidden; it is asked for again when it is seen. Where there is none, or the
 * battery is low, the screen goes dark as ever.
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
    if (!this.#wanted || this.#lock !== undefined || !isPhone() || !("wakeLock" in navigator)) return;
    this.#lock = navigator.wakeLock.request("screen").catch(() => undefined);
  }
}

/** A device that is held in the hand: its browser stops pages in the background. */
export function isPhone(): boolean {
  return matchMedia("(pointer: coarse) and (hover: none)").matches;
}

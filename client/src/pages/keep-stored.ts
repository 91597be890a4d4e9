/**
 * Asks the browser not to clear what is stored when the device runs low on space (`navigator.storage.persist()`), and says
 * how that stands.
 *
 * Rules:
 * - Nothing is asked before the person has started donating: before, there is nothing to keep.
 * - A browser that decides by itself is asked then. One that would ask the person (Firefox) is asked when they press the
 *   button that says so, since a question that nobody expects is answered with no.
 */

import { TEXT } from "./donate-text.ts";
import { setText } from "./donate-words.ts";
import { element } from "./elements.ts";

/** Where the browser is asked. */
export interface KeepingBrowser {
  persisted(): Promise<boolean>;
  persist(): Promise<boolean>;
  /** Whether `persist` puts a question to the person. */
  asksPerson(): Promise<boolean>;
}

/** The page's own. */
export function keepingBrowser(): KeepingBrowser {
  return {
    persisted: () => navigator.storage.persisted(),
    persist: () => navigator.storage.persist(),
    asksPerson: async () => {
      // Chromium knows this permission, too, and decides on it by itself; Safari does not know it.
      if ("userAgentData" in navigator) return false;
      const { state } = await navigator.permissions.query({ name: "persistent-storage" });
      return state === "prompt";
    },
  };
}

export class KeepStored {
  readonly #browser: KeepingBrowser;
  readonly #note = element("kept", HTMLElement);
  readonly #button = element("keep", HTMLButtonElement);

  constructor(browser: KeepingBrowser) {
    this.#browser = browser;
    this.#button.addEventListener("click", () => {
      void this.#ask(TEXT.keptRefused);
    });
  }

  /** Donating was started. Never throws. */
  async started(): Promise<void> {
    const isKept = await this.#browser.persisted().catch(() => false);
    const asks = await this.#browser.asksPerson().catch(() => false);
    if (isKept || asks) this.#show(isKept ? TEXT.kept : TEXT.keptWhileRoom, !isKept);
    else await this.#ask(TEXT.keptWhileRoom);
  }

  /** @param refused what is said when the answer is no. */
  async #ask(refused: string): Promise<void> {
    this.#show((await this.#browser.persist().catch(() => false)) ? TEXT.kept : refused, false);
  }

  #show(words: string, asks: boolean): void {
    setText(this.#note, words);
    const hadFocus = document.activeElement === this.#button;
    this.#button.hidden = !asks;
    if (hadFocus && this.#button.hidden) this.#note.focus();
  }
}

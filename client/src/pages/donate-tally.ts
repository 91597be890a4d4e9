/** The code by which a person's devices are added up: shown, taken over from another device, kept in this browser. */

import { fromHex, toHex } from "../core/hex.ts";
import { readTallyCode, TALLY_SECRET_BYTES, writeTallyCode } from "../core/tally-code.ts";
import type { DonorStatus } from "../donate/messages.ts";
import { TEXT } from "./donate-text.ts";
import { FIGURES, setText } from "./donate-words.ts";
import { element } from "./elements.ts";

export class TallyView {
  #secret: string;

  /**
   * @param secret as remembered, in hex; empty for a new one.
   * @param changed the person took over another code; it counts from the next start on.
   */
  constructor(secret: string, changed: () => void) {
    this.#secret = secret === "" ? toHex(crypto.getRandomValues(new Uint8Array(TALLY_SECRET_BYTES))) : secret;
    const input = element("tally-input", HTMLInputElement);
    element("tally-use", HTMLButtonElement).addEventListener("click", () => {
      const read = readTallyCode(input.value);
      setText(element("tally-note", HTMLElement), read === undefined ? TEXT.codeWrong : TEXT.codeTaken);
      if (read === undefined) return;
      this.#secret = toHex(read);
      input.value = "";
      this.#show();
      changed();
    });
    this.#show();
  }

  /** Takes over what another tab remembered. @param secret in hex; empty: nothing. */
  follow(secret: string): void {
    if (secret === "" || secret === this.#secret) return;
    this.#secret = secret;
    this.#show();
  }

  /** In hex. */
  get secret(): string {
    return this.#secret;
  }

  showSum(status: DonorStatus): void {
    const { tally } = status;
    const words =
      tally === null || tally.bytes === 0
        ? ""
        : TEXT.allDevices(FIGURES.size(tally.bytes), FIGURES.size(tally.todayBytes));
    setText(element("tally-sum", HTMLElement), words);
  }

  #show(): void {
    setText(element("tally-code", HTMLElement), writeTallyCode(fromHex(this.#secret)));
  }
}

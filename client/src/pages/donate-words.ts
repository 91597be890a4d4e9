/** A donor's state in words, for the donor page and the badge. */

import type { AllowanceLimits } from "../core/allowance.ts";
import type { DonorState } from "../donate/donor-control.ts";
import type { DonorStatus } from "../donate/messages.ts";
import { Figures } from "../ui/format.ts";
import { TEXT } from "./donate-text.ts";

/** In the browser's language, as the page's text is not: numbers are read as one is used to. */
export const FIGURES = new Figures();

/** `good`, `warn`, `bad` or nothing: how a state is marked. */
export function toneOf(state: DonorState): string {
  if (state.is === "failed") return "bad";
  if (state.is !== "running") return "";
  return state.status.session === "offline" || state.status.pause !== null ? "warn" : "good";
}

/** `on`: there is something to stop. `busy`: no button counts until it has another state. */
export function switchOf({ is }: DonorState): { readonly on: boolean; readonly busy: boolean } {
  return {
    on: is !== "off" && is !== "failed" && is !== "freeing",
    busy: is === "starting" || is === "stopping" || is === "freeing",
  };
}

/**
 * What a measurement found, before anything is given.
 *
 * @param bytesPerS 0: the line is too slow to be measured; undefined: it could not be.
 * @param most what is given of it, in words.
 */
export function measuredWords(bytesPerS: number | undefined, most: string): string {
  if (bytesPerS === undefined) return TEXT.unmeasured(most);
  return bytesPerS === 0 ? TEXT.slow(most) : TEXT.measured(FIGURES.rate(bytesPerS), most);
}

/** @param stored whether an earlier visit left something in this browser. */
export function stateWords(state: DonorState, stored: boolean): string {
  switch (state.is) {
    case "off":
      return stored ? TEXT.offHolding : TEXT.off;
    case "starting":
      return TEXT.starting;
    case "stopping":
      return state.erasing ? TEXT.erasing : TEXT.stopping;
    case "freeing":
      return TEXT.freeing;
    case "elsewhere":
      return TEXT.elsewhere;
    case "failed":
      return TEXT.failed(state.error.message);
    case "running":
      return runningWords(state.status);
  }
}

function runningWords(status: DonorStatus): string {
  if (status.session === "offline") return TEXT.offline(Math.ceil(status.retryMs / 1_000));
  if (status.pause !== null) return TEXT.paused[status.pause];
  if (status.slowed) return TEXT.slowed;
  if (status.takers > 0) return TEXT.serving(status.takers);
  if (status.session === "connecting") return TEXT.connecting;
  if (status.assignedHeld < status.assignedSegments) return TEXT.filling;
  return status.files.length === 0 ? TEXT.nothing : TEXT.waiting;
}

/** What the budgets leave, where there are any. */
export function leftWords(status: DonorStatus, { dailyBytes, monthlyBytes }: AllowanceLimits): string {
  const left: string[] = [];
  if (dailyBytes !== null) left.push(TEXT.leftToday(FIGURES.size(Math.max(0, dailyBytes - status.sentTodayBytes))));
  if (monthlyBytes !== null) {
    left.push(TEXT.leftThisMonth(FIGURES.size(Math.max(0, monthlyBytes - status.sentThisMonthBytes))));
  }
  return left.join(", ");
}

/** Changes a text only when it is another: screen readers would read the same again. */
export function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

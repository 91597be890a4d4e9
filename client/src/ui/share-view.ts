/**
 * What the panel shows of sharing: from what the visitor and the page said, and how it goes, to words, as plain values.
 *
 * Rules:
 * - Who fetches from mirrors only is not asked to give: the choice about addresses is made.
 * - Nothing is given before a visitor who has to be asked has answered; an answer sticks, and can be changed at any time.
 * - While anything is given, the panel stays.
 */

import type { Choice } from "../download/stored-choice.ts";
import { SHARE_LIMITS } from "../share/share-limits.ts";
import type { ShareState } from "../share/share-control.ts";
import type { ENGLISH } from "./strings-en.ts";
import type { MORE_ENGLISH } from "./strings-more-en.ts";
import type { Words } from "./words.ts";

export type MoreWords = Words<typeof ENGLISH & typeof MORE_ENGLISH>;

export interface ShareInput {
  /** What the page's tag says: the default of those who chose nothing. */
  readonly policy: "ask" | "on";
  readonly chosen: Choice | undefined;
  /** Whether donors may be asked: the same addresses are seen, whichever way the bytes go. */
  readonly peersAllowed: boolean;
  readonly state: ShareState;
}

export interface ShareView {
  /** How it goes, or the question. */
  readonly text: string;
  /** What was given so far, or at most what will be; empty where that is no matter. */
  readonly note: string;
  readonly asks: boolean;
  /** It is on, and the panel is to stay for that. */
  readonly stays: boolean;
}

/** Whether to share now. */
export function sharesNow({ policy, chosen, peersAllowed }: Omit<ShareInput, "state">): boolean {
  return peersAllowed && (chosen ?? (policy === "on" ? "on" : "off")) === "on";
}

/** What a tag says of its downloads. */
export interface SharePolicy {
  readonly share: "ask" | "off" | "on";
  readonly peers: "ask" | "off" | "on";
}

/**
 * Whether a download is given to others by the page's one sharer, which goes by the words of the first tag.
 *
 * @param own the words of the download's tag: where they differ, they must allow it by now.
 * @param said the visitor's word; `peersAllowed` by the download's tag.
 */
export function isSharedWith(
  first: SharePolicy,
  own: SharePolicy,
  said: Pick<ShareInput, "chosen" | "peersAllowed">,
): boolean {
  if (own.share === "off" || own.peers === "off") return false;
  return (own.share === first.share && own.peers === first.peers) || sharesNow({ policy: own.share, ...said });
}

/** @returns null: nothing is shown. */
export function shareView(input: ShareInput, words: MoreWords): ShareView | null {
  if (!input.peersAllowed) return null;
  const rate = words.rate(SHARE_LIMITS.upBytesPerS);
  const limits = words.say("share_limits", { rate, daily: words.size(SHARE_LIMITS.allowance.dailyBytes ?? 0) });
  if (input.policy === "ask" && input.chosen === undefined)
    return { text: words.say("share_ask"), note: limits, asks: true, stays: false };
  // Off although it is wanted: a donor page of this site stopped it, or another tab that has begun again since.
  if (!sharesNow(input) || input.state.is === "off")
    return { text: words.say("share_off"), note: "", asks: false, stays: false };
  const { state } = input;
  const given = state.is === "on" ? state.status.givenBytes : 0;
  return {
    text: textOf(state, words),
    note:
      state.is === "on" && given > 0
        ? words.say("share_given", { size: words.size(given), count: state.status.people })
        : limits,
    asks: false,
    stays: state.is !== "failed",
  };
}

function textOf(state: ShareState, words: MoreWords): string {
  if (state.is === "failed") return words.say("share_failed");
  if (state.is === "elsewhere") return words.say("share_elsewhere");
  if (state.is !== "on") return words.say("share_starting");
  const { pause, session, rateBytesPerS, takers } = state.status;
  if (pause === "day_used") return words.say("share_day_used");
  if (pause === "month_used") return words.say("share_month_used");
  if (pause !== null) return words.say(pause === "metered" ? "share_metered" : "share_paused");
  if (rateBytesPerS > 0 && takers > 0)
    return words.say("share_now", { rate: words.rate(rateBytesPerS), count: takers });
  if (session !== "online") return words.say(session === "offline" ? "share_offline" : "share_starting");
  return words.say("share_waiting");
}

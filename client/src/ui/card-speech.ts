/**
 * What is said aloud of a download, by way of the panel's live region: its milestones, not its figures, which a screen
 * reader finds on the bar whenever it is asked for them.
 */

import { type CardState, percentOf } from "./card-state.ts";
import { headline, noteOf, type Surroundings } from "./card-view.ts";

/** Said on the way, if the rest takes long enough to be worth hearing of. */
const PERCENTS = [75, 50, 25];
const LEFT_S_MIN = 10;

/** What to say of a change; undefined: nothing. */
export function speechOf(before: CardState, after: CardState, around: Surroundings): string | undefined {
  const { words } = around;
  const { name, sizeBytes, progress, phase } = after;
  if (phase !== before.phase) {
    if (phase === "downloading" && sizeBytes !== null) {
      return before.phase === "paused"
        ? words.say("said_resumed", { name })
        : words.say("said_started", { name, size: words.size(sizeBytes) });
    }
    if (phase === "paused") return words.say("said_paused", { name });
    if (phase === "checking" || phase === "saving" || phase === "verified") return undefined; // what comes of it is said
    return words.say("said_ended", { name, state: headline(after, around), note: noteOf(after, around) });
  }
  if (phase !== "downloading" || sizeBytes === null) return undefined;
  const percent = percentOf(after);
  const missingBytes = sizeBytes - progress.receivedBytes;
  const passed = PERCENTS.find((mark) => percentOf(before) < mark && percent >= mark);
  if (passed === undefined || missingBytes < LEFT_S_MIN * progress.rateBytesPerS) return undefined;
  const time = words.timeLeft(missingBytes, progress.rateBytesPerS);
  return time === undefined ? undefined : words.say("said_percent", { name, percent: words.percent(percent), time });
}

/** What ends a download, as errors with codes. */

import type { FailCode } from "../core/scheduler/messages.ts";
import {
  isDistributeError,
  type DistributeError,
  IntegrityError,
  SourceError,
  StoreError,
  UsageError,
} from "../wire/errors.ts";

/** The scheduler's last word. */
export function asError(code: FailCode): DistributeError {
  switch (code) {
    case "all_sources_bad":
      return new IntegrityError("all_sources_lie", "Every source delivered bytes that are not the publisher's.");
    case "all_sources_failed":
    case "no_sources":
      return new UsageError("no_sources", "No mirror and no donor delivers this file at present.");
    case "no_progress":
      return new SourceError("stalled", "No byte came from any source for too long.");
  }
}

/** What the store, or the browser below it, threw. */
export function asStoreError(cause: unknown): DistributeError {
  return isDistributeError(cause)
    ? cause
    : new StoreError("store_unreadable", "The browser's storage failed.", { cause });
}

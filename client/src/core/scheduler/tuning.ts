/** The numbers of spec/scheduler.md, section 3, that no configuration changes. Times in microseconds, sizes in bytes. */

/** Ranges begin and end at multiples of this, but for the file's end (S2). */
export const ALIGN_BYTES = 65_536;

export const MICROS_PER_S = 1_000_000;

/** A rate is measured over at least this long (S5). */
export const RATE_WINDOW_US = 100_000;
/** Weight of the older rate against a new measurement, as time (S5). */
export const RATE_MEMORY_US = 500_000;
/** The last window of a source that falls idle counts from this length on (S5). */
export const RATE_SHORT_WINDOW_US = 20_000;
/** A window open for longer than this lowers the rate at once (S5). */
export const RATE_DECAY_AFTER_US = 1_000_000;

/** From a request to its first byte, where it has not been measured (S5). */
export const LATENCY_UNKNOWN_US = 50_000;
/** The next request starts the latency and this before the open one ends (S6). */
export const OVERLAP_MARGIN_US = 20_000;

/** Length of a request in time at the source's rate (S7). */
export const HORIZON_US = 1_000_000;
/** How often finished requests double it (S7). */
export const HORIZON_DOUBLINGS_MAX = 3;

/** A steal or a hedge at the end must save at least this (S10, S11). */
export const STEAL_GAIN_US_MIN = 50_000;
/** A request to a source of unknown rate is left alone for this long (S10). */
export const STEAL_AFTER_US = 250_000;
/** While a source has nothing to do, the choice is made again after this (S6). */
export const REVIEW_US = 100_000;

/** A request that needs longer than this for the rest of its segment is slow (S12). */
export const SLOW_SEGMENT_US = 10_000_000;
/** ... but is left alone for this long first (S12). */
export const SLOW_AFTER_US = 2_000_000;
/** ... and only a source that is this many times faster comes to its rescue (S12). */
export const SLOW_FACTOR = 8;

/** A stalled request is cancelled after this many times `stallUs` without a byte (S12). */
export const STALL_CANCEL_FACTOR = 4;

/** Probation after the first failure; doubles with each in a row (S14). */
export const BACKOFF_US = 500_000;
/** The same for a source that was slow (S14). */
export const BACKOFF_SLOW_US = 10_000_000;
/** Longest probation after failures (S14). */
export const BACKOFF_US_MAX = 8_000_000;
/** Longest probation of slow sources (S14). */
export const BACKOFF_SLOW_US_MAX = 160_000_000;
/** A probation does not double more often than this (S14). */
export const BACKOFF_DOUBLINGS_MAX = 8;
/** A source's own `retryAfterUs` is honoured up to this (S14). */
export const RETRY_AFTER_US_MAX = 600_000_000;

/** Before the first byte, a download fails when every source failed this often in a row (S15). */
export const FIRST_FAILURES_MAX = 3;
/** A suspect clears itself with 1, 2, 4 ... up to 64 whole segments (S13). */
export const SUSPICION_DOUBLINGS_MAX = 6;
/** An event this late after the deadline means that the clocks stood still: the machine slept (S16). */
export const SLEEP_US = 5_000_000;
/** `balanced` leaves to peers what they finish within this fraction of the time so far (S9). */
export const BALANCED_PATIENCE = 32;
/** Open runs of a piece that are counted when pieces are compared (S8). */
export const BACKLOG_RUNS_MAX = 64;
/** What a source of unknown rate is believed to manage at most, beside faster ones (S8). */
export const UNKNOWN_BYTES_PER_S_MAX = 1_048_576;

/**
 * When a donor may give: bytes per day and month, hours of the day, and what the device is doing (spec/allowance.md).
 * Decides, does nothing; `distribute_io.core.allowance` is the same.
 */

export interface AllowanceLimits {
  /** Bytes; null for no limit. */
  readonly dailyBytes: number | null;
  readonly monthlyBytes: number | null;
  /** Minutes since midnight, from the first to before the second, over midnight where the second is less, always where both are the same. Null: always. */
  readonly hours: readonly [fromMinute: number, toMinute: number] | null;
  /** Only while the device is charging. */
  readonly whileCharging: boolean;
  /** Not over a connection that the system calls metered. */
  readonly unmetered: boolean;
}

export const NO_LIMITS: AllowanceLimits = {
  dailyBytes: null,
  monthlyBytes: null,
  hours: null,
  whileCharging: false,
  unmetered: false,
};

/** The person's own time. */
export interface LocalTime {
  /** Days since 1 January 1970. */
  readonly day: number;
  /** Months since January of the year 0. */
  readonly month: number;
  /** Since midnight. */
  readonly minute: number;
}

export interface DeviceState {
  readonly charging: boolean | null;
  readonly metered: boolean | null;
}

/** What is stored: bytes that may have gone out on a day and in a month. */
export interface Charged {
  readonly day: number;
  readonly dayBytes: number;
  readonly month: number;
  readonly monthBytes: number;
  /** The furthest day and month that were charged before the clock was set back (A3); absent: it was not. */
  readonly ahead?: readonly [day: number, month: number];
}

export const NOTHING_CHARGED: Charged = { day: 0, dayBytes: 0, month: 0, monthBytes: 0 };

/** Of two counts of the same bytes what is further on, of the latest day and month. */
export function furtherOn(one: Charged, other: Charged): Charged {
  const day = Math.max(one.day, other.day);
  const month = Math.max(one.month, other.month);
  const ahead = one.ahead ?? other.ahead;
  return {
    ...(ahead !== undefined && { ahead }),
    day,
    dayBytes: Math.max(...[one, other].map((charged) => (charged.day === day ? charged.dayBytes : 0))),
    month,
    monthBytes: Math.max(...[one, other].map((charged) => (charged.month === month ? charged.monthBytes : 0))),
  };
}

/** Why nothing is given at present. */
export type Pause = "day_used" | "month_used" | "hours" | "battery" | "metered";

/** A device may be off for so long; a clock that leaps further was not set before (A3). */
const LEAP_DAYS_MAX = 31;
const LEAP_MONTHS_MAX = 12;

const STEP_BYTES = 8 * 2 ** 20;

/** SCTP, DTLS, UDP and IP headers: about 85 bytes for each packet of 1,191. */
const OVERHEAD_PERCENT = 107;

/** What a payload comes to on the wire, in bytes. */
export function onTheWire(sizeBytes: number): number {
  return Math.ceil((sizeBytes * OVERHEAD_PERCENT) / 100);
}

export class Allowance {
  limits: AllowanceLimits;
  #used: Charged;
  /** What is known to be stored: nothing goes out beyond it. */
  #charged: Charged;
  /** What is asked to be stored. */
  #asked: Charged | undefined;

  /** @param charged as stored. */
  constructor(limits: AllowanceLimits, charged: Charged) {
    this.limits = limits;
    this.#used = this.#charged = charged;
  }

  /** To be stored. */
  get charged(): Charged {
    return this.#asked ?? this.#charged;
  }

  /** What `charged` said is on disk now: bytes may go out against it. */
  stored(charged: Charged): void {
    this.#charged = charged;
    this.#asked = undefined;
  }

  /** Bytes that went out, as far as is known. */
  used(time: LocalTime): { readonly dayBytes: number; readonly monthBytes: number } {
    this.#turn(time);
    return this.#used;
  }

  /** Why nothing may be given now; undefined when something may. */
  pause(time: LocalTime, device: DeviceState): Pause | undefined {
    this.#turn(time);
    const { dailyBytes, monthlyBytes, hours, whileCharging, unmetered } = this.limits;
    if (monthlyBytes !== null && this.#used.monthBytes >= monthlyBytes) return "month_used";
    if (dailyBytes !== null && this.#used.dayBytes >= dailyBytes) return "day_used";
    if (hours !== null && !isWithin(time.minute, hours)) return "hours";
    if (whileCharging && device.charging === false) return "battery";
    if (unmetered && device.metered === true) return "metered";
    return undefined;
  }

  /** Whether the donor may be filled now: budgets are of what it sends, the rest is of all that its line carries. */
  mayFill(time: LocalTime, device: DeviceState): boolean {
    const withoutBudgets = { ...this.limits, dailyBytes: null, monthlyBytes: null };
    return new Allowance(withoutBudgets, this.#used).pause(time, device) === undefined;
  }

  /**
   * Charges bytes that are about to go out.
   *
   * @returns `no`: a budget does not allow them; `store`: `charged` has grown and has to be stored first (`stored`), then
   *   ask again.
   */
  take(sizeBytes: number, time: LocalTime): "yes" | "no" | "store" {
    this.#turn(time);
    const dayBytes = this.#used.dayBytes + sizeBytes;
    const monthBytes = this.#used.monthBytes + sizeBytes;
    const { dailyBytes, monthlyBytes } = this.limits;
    if ((dailyBytes !== null && dayBytes > dailyBytes) || (monthlyBytes !== null && monthBytes > monthlyBytes)) {
      // What is left is less than a frame: used up, or the last bytes of every day would be asked for without end.
      this.#used = {
        ...this.#used,
        ...(dailyBytes !== null && dayBytes > dailyBytes && { dayBytes: dailyBytes }),
        ...(monthlyBytes !== null && monthBytes > monthlyBytes && { monthBytes: monthlyBytes }),
      };
      return "no";
    }
    if (dayBytes > this.#charged.dayBytes || monthBytes > this.#charged.monthBytes) {
      this.#asked = { ...this.#used, dayBytes: dayBytes + STEP_BYTES, monthBytes: monthBytes + STEP_BYTES };
      return "store";
    }
    this.#used = { ...this.#used, dayBytes, monthBytes };
    return "yes";
  }

  /** In order at the end: nothing was charged that did not go out. */
  settle(): Charged {
    this.#asked = undefined;
    this.#charged = this.#used;
    return this.#charged;
  }

  #turn({ day, month }: LocalTime): void {
    const before = this.#used;
    const [aheadDay, aheadMonth] = before.ahead ?? [0, 0];
    const ofDay = moved(day, before.day, aheadDay, LEAP_DAYS_MAX);
    const ofMonth = moved(month, before.month, aheadMonth, LEAP_MONTHS_MAX);
    if (ofDay.now === before.day && ofMonth.now === before.month) return;
    const now = {
      day: ofDay.now,
      month: ofMonth.now,
      ...(ofDay.begins && { dayBytes: 0 }),
      ...(ofMonth.begins && { monthBytes: 0 }),
      ...((ofDay.ahead > 0 || ofMonth.ahead > 0) && { ahead: [ofDay.ahead, ofMonth.ahead] as const }),
    };
    this.#used = { ...before, ...now };
    this.#charged = { ...this.#charged, ...now };
  }
}

/** Which day (month) bytes are of now, whether it begins, and the furthest that was charged (rule A3). */
function moved(
  now: number,
  before: number,
  ahead: number,
  leapMax: number,
): { now: number; ahead: number; begins: boolean } {
  if (now < before - 1) return { now, ahead: Math.max(before, ahead), begins: false };
  return { now: Math.max(now, before), ahead, begins: now > before && (now > ahead || now - before <= leapMax) };
}

function isWithin(minute: number, [from, to]: readonly [number, number]): boolean {
  return from < to ? from <= minute && minute < to : minute >= from || minute < to;
}

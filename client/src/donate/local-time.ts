/** The person's own time, by which days and months of the budgets begin. */

import type { LocalTime } from "../core/allowance.ts";

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

export function localTime(): LocalTime {
  const now = new Date();
  return {
    day: Math.floor((now.getTime() - now.getTimezoneOffset() * MINUTE_MS) / DAY_MS),
    month: now.getFullYear() * 12 + now.getMonth(),
    minute: now.getHours() * 60 + now.getMinutes(),
  };
}

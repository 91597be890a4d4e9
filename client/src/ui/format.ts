/**
 * Counts, sizes, rates and times as people of one language read them.
 *
 * Sizes are decimal, as download folders and network plans have them, and never more exact than they can be read.
 */

const SIZE_UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** Formats are made once for each language: they are asked for many times a second. */
export class Figures {
  readonly #tag: string | undefined;
  readonly #numbers = new Map<string, Intl.NumberFormat>();

  /** @param tag BCP 47; by default the browser's language. */
  constructor(tag?: string) {
    this.#tag = tag;
  }

  /** For example `1,234`. */
  count(count: number): string {
    return this.#number({}).format(count);
  }

  /** For example `12.3 MB`. */
  size(bytes: number): string {
    return this.#quantity(bytes, "");
  }

  /** For example `1.2 MB/s`. */
  rate(bytesPerS: number): string {
    return this.#quantity(bytesPerS, "-per-second");
  }

  /** For example `46 %`, of whole percent. */
  percent(percent: number): string {
    return this.#number({ style: "percent" }).format(percent / 100);
  }

  /** The time that is left, rounded as far as it can be known; undefined when nothing moves, or as good as nothing. */
  timeLeft(missingBytes: number, rateBytesPerS: number): string | undefined {
    if (rateBytesPerS <= 0) return undefined;
    const seconds = Math.ceil(missingBytes / rateBytesPerS);
    if (seconds < 60) return this.#duration(seconds, "second");
    if (seconds < 90 * 60) return this.#duration(Math.round(seconds / 60), "minute");
    const hours = Math.round(seconds / 3_600);
    return hours > 1_000 ? undefined : this.#duration(hours, "hour");
  }

  /** `a, b and c`. */
  list(parts: readonly string[]): string {
    return new Intl.ListFormat(this.#tag, { type: "conjunction" }).format(parts);
  }

  #quantity(amount: number, per: string): string {
    let value = amount;
    let step = 0;
    while (value >= 999.5 && step < SIZE_UNITS.length - 1) {
      value /= 1_000;
      step += 1;
    }
    const unit = (SIZE_UNITS[step] ?? "byte") + per;
    const digits = step === 0 || value >= 99.95 ? 0 : 1;
    return this.#number({ style: "unit", unit, unitDisplay: "short", maximumFractionDigits: digits }).format(value);
  }

  #duration(count: number, unit: "second" | "minute" | "hour"): string {
    return this.#number({ style: "unit", unit, unitDisplay: "long" }).format(count);
  }

  #number(options: Intl.NumberFormatOptions): Intl.NumberFormat {
    const key = `${options.unit ?? options.style ?? ""} ${options.maximumFractionDigits ?? ""}`;
    let format = this.#numbers.get(key);
    if (format === undefined) {
      format = new Intl.NumberFormat(this.#tag, options);
      this.#numbers.set(key, format);
    }
    return format;
  }
}

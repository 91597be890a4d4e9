/**
 * A donor's limits with a place that keeps what was charged: `core/allowance.ts` with a clock and a disk.
 *
 * Rules:
 * - Bytes go out only against a charge that is kept: so no reload, no crash and no second tab doubles a budget.
 * - A charge that cannot be kept is no budget: nothing goes out.
 * - After {@link KeptAllowance.close} nothing goes out.
 */

import {
  Allowance,
  onTheWire,
  type AllowanceLimits,
  type Charged,
  type DeviceState,
  type LocalTime,
  type Pause,
} from "../core/allowance.ts";

export class KeptAllowance {
  readonly #allowance: Allowance;
  readonly #localTime: () => LocalTime;
  readonly #keep: (charged: Charged) => Promise<boolean>;
  #closed = false;

  /**
   * @param charged as kept.
   * @param keep keeps a charge; settles with whether it is kept.
   */
  constructor(
    limits: AllowanceLimits,
    charged: Charged,
    localTime: () => LocalTime,
    keep: (charged: Charged) => Promise<boolean>,
  ) {
    this.#allowance = new Allowance(limits, charged);
    this.#localTime = localTime;
    this.#keep = keep;
  }

  set limits(limits: AllowanceLimits) {
    this.#allowance.limits = limits;
  }

  /** Bytes that went out today and this month. */
  get used(): { readonly dayBytes: number; readonly monthBytes: number } {
    return this.#allowance.used(this.#localTime());
  }

  /** Why nothing may be given now; null when something may. */
  pause(device: DeviceState): Pause | null {
    return this.#allowance.pause(this.#localTime(), device) ?? null;
  }

  /** Whether this donor may be filled now. */
  mayFill(device: DeviceState): boolean {
    return this.#allowance.mayFill(this.#localTime(), device);
  }

  /** Whether a frame of so many bytes may go out now; then it is charged, with what the network adds. */
  async mayGive(frameBytes: number): Promise<boolean> {
    const time = this.#localTime();
    const sizeBytes = onTheWire(frameBytes);
    let may = this.#allowance.take(sizeBytes, time);
    if (may === "store") {
      if (!(await this.save())) return false;
      may = this.#allowance.take(sizeBytes, time);
    }
    return may === "yes" && !this.#closed;
  }

  /** Keeps the charge as it is. @returns whether it is kept. */
  async save(): Promise<boolean> {
    this.#allowance.used(this.#localTime()); // of the day that it is now
    const { charged } = this.#allowance;
    const kept = await this.#keep(charged);
    if (kept) this.#allowance.stored(charged);
    return kept;
  }

  /** Ends it. @returns what went out, to be kept: nothing is charged that did not. */
  close(): Charged {
    this.#closed = true;
    return this.#allowance.settle();
  }
}

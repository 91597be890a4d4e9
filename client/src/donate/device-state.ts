/**
 * What the device tells of itself: whether it is charging, whether its connection is metered, how hard pressed it is.
 * Window only. Each of it is Chromium's alone, and may be refused by a policy of the page: then it is not known.
 */

import type { DeviceState } from "../core/allowance.ts";
import type { Pressure } from "../core/strain.ts";

interface Battery extends EventTarget {
  readonly charging: boolean;
}
interface Connection extends EventTarget {
  readonly saveData?: boolean;
  /** Chromium has it on phones and Chromebooks. */
  readonly type?: string;
}
interface TellingNavigator {
  readonly getBattery?: () => Promise<Battery>;
  readonly connection?: Connection;
}
interface PressureRecords {
  observe(source: "cpu", options: { sampleInterval: number }): Promise<void>;
  disconnect(): void;
}
type PressureObserverClass = new (
  changed: (records: readonly { readonly state: Pressure }[]) => void,
) => PressureRecords;

/** Pressure that passes sooner is nobody's trouble. */
const PRESSURE_EVERY_MS = 5_000;

function telling(): TellingNavigator {
  return navigator as unknown as TellingNavigator; // these properties are in no standard library
}

/** The battery; undefined where the browser has no word of it, or refuses it here. */
async function findBattery(): Promise<Battery | undefined> {
  try {
    return await telling().getBattery?.();
  } catch {
    return undefined;
  }
}

/** What the device tells now. What is null can be no limit here. */
export async function deviceNow(): Promise<DeviceState> {
  return { charging: (await findBattery())?.charging ?? null, metered: isMetered(telling().connection) };
}

/**
 * Follows the device.
 *
 * @param changed called at once and on every change; never where nothing is told.
 * @returns what ends it.
 */
export function watchDevice(changed: (device: DeviceState) => void): () => void {
  const aborted = new AbortController();
  const { connection } = telling();
  let battery: Battery | undefined;
  const tell = () => {
    if (aborted.signal.aborted) return;
    changed({ charging: battery?.charging ?? null, metered: isMetered(connection) });
  };
  const options = { signal: aborted.signal };
  connection?.addEventListener("change", tell, options);
  void findBattery().then((found) => {
    if (found === undefined) return;
    battery = found;
    battery.addEventListener("chargingchange", tell, options);
    tell();
  });
  if (connection !== undefined) tell();
  return () => {
    aborted.abort();
  };
}

/** Follows the pressure on the device's processors; never where nothing is told. @returns what ends it. */
export function watchPressure(changed: (pressure: Pressure) => void): () => void {
  const { PressureObserver } = globalThis as { PressureObserver?: PressureObserverClass }; // as: in no standard library
  if (PressureObserver === undefined) return () => undefined;
  const observer = new PressureObserver((records) => {
    const last = records.at(-1);
    if (last !== undefined) changed(last.state);
  });
  observer.observe("cpu", { sampleInterval: PRESSURE_EVERY_MS }).catch(() => undefined); // refused: not known, then
  return () => {
    observer.disconnect();
  };
}

/** A mobile connection, or a visitor who asked to save data; null where the kind of connection is not told. */
function isMetered(connection: Connection | undefined): boolean | null {
  if (connection?.saveData === true) return true;
  const type = connection?.type ?? "unknown";
  return type === "unknown" ? null : type === "cellular";
}

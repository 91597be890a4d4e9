/** What the device tells of itself: whether it is charging, and whether its connection is metered. Window only. */

import type { DeviceState } from "../core/allowance.ts";

/** Chromium's; other browsers have none of it. */
interface Battery extends EventTarget {
  readonly charging: boolean;
}
interface Connection extends EventTarget {
  readonly saveData?: boolean;
  readonly type?: string;
}
interface TellingNavigator {
  readonly getBattery?: () => Promise<Battery>;
  readonly connection?: Connection;
}

function telling(): TellingNavigator {
  return navigator as unknown as TellingNavigator; // these properties are in no standard library
}

/** Which of the two this browser can tell. */
export function deviceTells(): { readonly charging: boolean; readonly metered: boolean } {
  return { charging: telling().getBattery !== undefined, metered: telling().connection !== undefined };
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
  telling()
    .getBattery?.()
    .then((found) => {
      battery = found;
      battery.addEventListener("chargingchange", tell, options);
      tell();
    })
    .catch(() => undefined); // a policy of the page forbids it: not known, then
  if (connection !== undefined) tell();
  return () => {
    aborted.abort();
  };
}

/** The visitor asked to save data, or the connection is a mobile one; null where nothing is told. */
function isMetered(connection: Connection | undefined): boolean | null {
  if (connection === undefined) return null;
  return connection.saveData === true || connection.type === "cellular";
}

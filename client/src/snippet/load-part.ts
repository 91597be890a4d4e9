/** Brings in a part, and tells whoever runs the page what its policy lacks for it. */

import { adviceOn } from "../download/policy-advice.ts";
import { trustedTypesAdvice } from "../transport/script-url.ts";
import { loadScript } from "./load-script.ts";
import type { LinkOptions } from "./part.ts";

/** Time for the browser's report of what the page's policy refused. */
const ADVICE_MS = 100;

/**
 * @param nonce and the rest: as for {@link loadScript}.
 * @throws Error when the part cannot be had; what the page's policy lacks for it is on the console then.
 */
export async function loadPart(
  options: LinkOptions,
  ...wanted: [name: string, nonce: string, timeoutMs?: number]
): ReturnType<typeof loadScript> {
  const advice = adviceOn(options.partsUrl);
  document.addEventListener("securitypolicyviolation", advice.heard);
  try {
    return await loadScript(options, ...wanted);
  } catch (cause) {
    const lack = trustedTypesAdvice(cause);
    if (lack !== undefined) advice.lacks(lack);
    setTimeout(() => {
      advice.tell();
    }, ADVICE_MS);
    throw cause;
  } finally {
    setTimeout(() => {
      document.removeEventListener("securitypolicyviolation", advice.heard);
    }, ADVICE_MS);
  }
}

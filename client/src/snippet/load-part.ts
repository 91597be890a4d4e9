/** Brings in the download part, once for all copies of the loader that pin the same one. */

import { PolicyAdvice } from "../download/policy-advice.ts";
import { trustedTypesAdvice } from "../transport/script-url.ts";
import { loadScript } from "./load-script.ts";
import type { DownloadPart, LinkOptions } from "./part.ts";

const PART = "download.js";

/** Time for the browser's report of what the page's policy refused. */
const ADVICE_MS = 100;

/**
 * @param nonce of the tag, for policies that go by nonces.
 * @throws Error when the part cannot be had; what the page's policy lacks for it is on the console then.
 */
export async function loadPart(options: LinkOptions, nonce: string): Promise<DownloadPart> {
  const advice = new PolicyAdvice([new URL(options.partsUrl).origin]);
  document.addEventListener("securitypolicyviolation", advice.heard);
  try {
    return (await loadScript(options, PART, nonce)) as DownloadPart; // as: pinned by its hash
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

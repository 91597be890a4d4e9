/** Brings in the download part, pinned by its hash, once for all copies of the loader that pin the same one. */

import { PolicyAdvice } from "../download/policy-advice.ts";
import { scriptUrl, trustedTypesAdvice } from "../transport/script-url.ts";
import { registry, type DownloadPart, type LinkOptions } from "./part.ts";

const PART = "download.js";

/** Without the part for so long after a click, the plain link is followed. */
const LOAD_TIMEOUT_MS = 4_000;

/** Time for the browser's report of what the page's policy refused. */
const ADVICE_MS = 100;

/**
 * @param nonce of the tag, for policies that go by nonces.
 * @throws Error when the part cannot be had; what the page's policy lacks for it is on the console then.
 */
export async function loadPart(options: LinkOptions, nonce: string): Promise<DownloadPart> {
  const integrity = options.parts[PART] ?? "";
  const present = registry()[integrity];
  if (present !== undefined) return present;
  const advice = new PolicyAdvice([new URL(options.partsUrl).origin]);
  document.addEventListener("securitypolicyviolation", advice.heard);
  const element = document.createElement("script");
  try {
    await new Promise<void>((resolve, reject) => {
      setTimeout(() => {
        reject(new Error("timeout"));
      }, LOAD_TIMEOUT_MS);
      element.onload = element.onerror = () => {
        resolve();
      };
      element.integrity = integrity;
      element.crossOrigin = "anonymous";
      element.async = true;
      if (nonce !== "") element.nonce = nonce;
      element.src = scriptUrl(options.partsUrl + PART);
      document.head.append(element);
    });
    const loaded = registry()[integrity];
    if (loaded !== undefined) return loaded;
    throw new Error("unavailable");
  } catch (cause) {
    const lack = trustedTypesAdvice(cause);
    if (lack !== undefined) advice.lacks(lack);
    setTimeout(() => {
      advice.tell();
    }, ADVICE_MS);
    throw cause;
  } finally {
    element.remove();
    setTimeout(() => {
      document.removeEventListener("securitypolicyviolation", advice.heard);
    }, ADVICE_MS);
  }
}

/** Brings a part into the page by a script element, pinned by its hash, once for all who want it. */

import { scriptUrl } from "../transport/script-url.ts";
import { registry, type LinkOptions, type Registry } from "./part.ts";

/** Without the part for so long, it is not there. */
const LOAD_TIMEOUT_MS = 4_000;

/**
 * @param nonce for policies that go by nonces.
 * @returns what the part left in the registry.
 * @throws Error when it cannot be had.
 */
export async function loadScript(
  { parts, partsUrl }: Pick<LinkOptions, "parts" | "partsUrl">,
  name: string,
  nonce: string,
): Promise<NonNullable<Registry[string]>> {
  const integrity = parts[name] ?? "";
  const present = registry()[integrity];
  if (present !== undefined) return present;
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
      element.src = scriptUrl(partsUrl + name);
      document.head.append(element);
    });
  } finally {
    element.remove();
  }
  const loaded = registry()[integrity];
  if (loaded === undefined) throw new Error("unavailable");
  return loaded;
}

/** Brings a part into the page by a script element, pinned by its hash, once for all who want it. */

import { scriptUrl } from "../transport/script-url.ts";
import { pinOf, registry, type LinkOptions, type Registry } from "./part.ts";

/** Where copies of the loader see what any of them is bringing in, by its hash. */
const LOADING = Symbol.for("distribute-io:loading");

type Part = NonNullable<Registry[string]>;
type Loading = Map<string, Promise<Part>>;

/** Without the part for so long, it is not there: somebody waits for it, and has the plain link. */
const LOAD_TIMEOUT_MS = 4_000;

/**
 * @param nonce for policies that go by nonces.
 * @param timeoutMs of the first who asks for it counts.
 * @returns what the part left in the registry.
 * @throws Error when it cannot be had, or has no pin.
 */
export async function loadScript(
  { parts, partsUrl }: Pick<LinkOptions, "parts" | "partsUrl">,
  name: string,
  nonce: string,
  timeoutMs = LOAD_TIMEOUT_MS,
): Promise<Part> {
  const integrity = pinOf(parts, name);
  const present = registry()[integrity];
  if (present !== undefined) return present;
  const holder = globalThis as unknown as Record<symbol, Loading | undefined>; // as: a property of our own making
  const loading = (holder[LOADING] ??= new Map<string, Promise<Part>>());
  let part = loading.get(integrity);
  if (part === undefined) {
    part = bring(partsUrl + name, integrity, nonce, timeoutMs).finally(() => loading.delete(integrity));
    loading.set(integrity, part);
  }
  return await part;
}

async function bring(url: string, integrity: string, nonce: string, timeoutMs: number): Promise<Part> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const element = document.createElement("script");
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => {
        reject(new Error("timeout"));
      }, timeoutMs);
      element.onload = element.onerror = () => {
        resolve();
      };
      element.integrity = integrity;
      element.crossOrigin = "anonymous";
      element.async = true;
      if (nonce !== "") element.nonce = nonce;
      element.src = scriptUrl(url);
      document.head.append(element);
    });
  } finally {
    clearTimeout(timer);
    element.remove();
  }
  const loaded = registry()[integrity];
  if (loaded === undefined) throw new Error("unavailable");
  return loaded;
}

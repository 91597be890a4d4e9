/**
 * The donor page's service worker: answers for the page and its parts when the coordinator does not.
 *
 * Rules:
 * - The page itself comes from the network first, so that a new version is seen at once; out of the cache when the network
 *   fails or takes longer than {@link PATIENCE_MS}.
 * - Parts have immutable addresses: the cache first.
 * - Everything else is left to the browser, untouched.
 */

import { SHELL_CACHE, SHELL_SCOPE } from "./shell-names.ts";

const worker = self as unknown as ServiceWorkerGlobalScope; // the only global scope this script runs in

const PATIENCE_MS = 4_000;

worker.addEventListener("install", () => {
  void worker.skipWaiting();
});

worker.addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  if (event.request.method !== "GET" || origin !== worker.location.origin) return;
  if (pathname === SHELL_SCOPE) event.respondWith(page());
  else if (pathname.startsWith("/v/")) event.respondWith(part(event.request));
});

async function page(): Promise<Response> {
  const kept = await (await caches.open(SHELL_CACHE)).match(SHELL_SCOPE);
  if (kept === undefined) return fetch(SHELL_SCOPE);
  // For the head alone: a body that comes slowly is not cut off.
  const patience = new AbortController();
  const timer = setTimeout(() => {
    patience.abort();
  }, PATIENCE_MS);
  try {
    const fresh = await fetch(SHELL_SCOPE, { signal: patience.signal });
    return fresh.ok ? fresh : kept;
  } catch {
    return kept;
  } finally {
    clearTimeout(timer);
  }
}

async function part(request: Request): Promise<Response> {
  return (await (await caches.open(SHELL_CACHE)).match(request.url)) ?? fetch(request);
}

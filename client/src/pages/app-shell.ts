/**
 * The donor page without the network: what it consists of is kept, and a service worker (donate-service-worker.ts) answers with that
 * when the coordinator does not. Only after the person started donating; "Stop and erase" removes it.
 */

import { SHELL_CACHE, SHELL_SCOPE } from "./shell-names.ts";

/** One thing after the other, in all tabs of the site: what is dropped while it is being kept would come back. */
const LOCK = "distribute-io-donate-shell";

export class AppShell {
  readonly #isWanted: () => boolean;

  /** @param isWanted whether donating is still on by now, in whichever tab: else nothing is kept. */
  constructor(isWanted: () => boolean) {
    this.#isWanted = isWanted;
  }

  /** Keeps the page and its parts. What fails leaves a page that needs the network, as before. */
  keep(parts: readonly string[]): Promise<void> {
    return inTurn(async () => {
      if (this.#isWanted()) await keepShell(parts);
    });
  }

  /** Leaves nothing behind. */
  drop(): Promise<void> {
    return inTurn(dropShell);
  }
}

/** A policy that forbids locks forbids donating as well: then nothing was kept. */
async function inTurn(run: () => Promise<void>): Promise<void> {
  await navigator.locks.request(LOCK, run).catch(() => undefined);
}

async function keepShell(parts: readonly string[]): Promise<void> {
  try {
    await navigator.serviceWorker.register("/donate-sw.js", { scope: SHELL_SCOPE });
    const cache = await caches.open(SHELL_CACHE);
    const wanted = [SHELL_SCOPE, ...parts];
    await cache.addAll(wanted);
    // What an older version of the page consisted of.
    const keep = new Set(wanted.map((path) => new URL(path, location.origin).href));
    for (const { url } of await cache.keys()) if (!keep.has(url)) await cache.delete(url);
  } catch {
    // Private windows and policies: no service worker, no cache.
  }
}

async function dropShell(): Promise<void> {
  try {
    await caches.delete(SHELL_CACHE);
    await (await navigator.serviceWorker.getRegistration(SHELL_SCOPE))?.unregister();
  } catch {
    // There was none.
  }
}

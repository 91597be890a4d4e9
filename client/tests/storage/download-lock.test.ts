import assert from "node:assert/strict";
import { test } from "node:test";
import { lockDownload } from "../../src/storage/download-lock.ts";

/** One lock per name, as Node has it too, with a queue that a signal leaves. */
function fakeLocks(): LockManager {
  const held = new Map<string, Promise<unknown>>();
  const request = async (name: string, options: LockOptions, run: () => Promise<unknown>) => {
    const before = held.get(name);
    if (before !== undefined) {
      const { signal } = options;
      await Promise.race([
        before,
        new Promise((_, reject) => {
          signal?.addEventListener("abort", () => {
            reject(signal.reason as Error); // a timeout's reason is an error
          });
        }),
      ]);
    }
    const running = run().finally(() => held.delete(name));
    held.set(name, running);
    return running;
  };
  return { request, query: () => Promise.resolve({}) } as unknown as LockManager; // all that is used here
}

test("a download that runs elsewhere is in use", async () => {
  const locks = fakeLocks();
  await lockDownload("a", locks, 5);
  await assert.rejects(lockDownload("a", locks, 5), { code: "store_in_use" });
});

test("another file is another lock", async () => {
  const locks = fakeLocks();
  await lockDownload("a", locks, 5);
  await lockDownload("b", locks, 5);
});

test("a lock that is given back soon is waited for", async () => {
  const locks = fakeLocks();
  const unlock = await lockDownload("a", locks, 1_000);
  const next = lockDownload("a", locks, 1_000);
  unlock();
  (await next)();
});

test("a browser that gives no locks hinders no download", async () => {
  const request = () => Promise.reject(new DOMException("no", "SecurityError"));
  const unlock = await lockDownload("a", { request } as unknown as LockManager, 1_000); // all that is used here
  unlock();
});

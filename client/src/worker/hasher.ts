/**
 * The worker's second role: SHA-256 over bytes that come in order and in parts, which WebCrypto cannot do.
 *
 * hash-wasm where WebAssembly may run (200 MiB/s and more); pages whose CSP forbids it get the same digest from
 * JavaScript, more slowly.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { createSHA256 } from "hash-wasm";
import { toHex } from "../core/hex.ts";
import type { FromHasher, ToHasher } from "./messages.ts";

interface IncrementalHash {
  update(bytes: Uint8Array): void;
  /** Lower-case hexadecimal. */
  digest(): string;
}

/** Serves one file on `port`. */
export async function runHasher(port: MessagePort): Promise<void> {
  const hash = await makeHash();
  const answer = (message: FromHasher, transfer: Transferable[]) => {
    port.postMessage(message, transfer);
  };
  // Set only now: until then the port keeps what comes.
  port.onmessage = (event: MessageEvent<ToHasher>) => {
    if (event.data.type === "digest") {
      answer({ type: "digest", sha256: hash.digest() }, []);
      return;
    }
    const { buffer, lengthBytes } = event.data;
    hash.update(new Uint8Array(buffer, 0, lengthBytes));
    answer({ type: "updated", buffer }, [buffer]);
  };
}

async function makeHash(): Promise<IncrementalHash> {
  try {
    const hash = await createSHA256();
    hash.init();
    return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest("hex") };
  } catch {
    // `CompileError`: the page's CSP has no 'wasm-unsafe-eval'.
    const hash = sha256.create();
    return { update: (bytes) => void hash.update(bytes), digest: () => toHex(hash.digest()) };
  }
}

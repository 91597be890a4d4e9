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
  /** Null where a state cannot be saved. */
  save(): Uint8Array<ArrayBuffer> | null;
  /** Goes on from a saved state. @returns false, unchanged, when it is not one of this hasher. */
  load(state: Uint8Array<ArrayBuffer>): boolean;
}

/** Serves one file on `port`. */
export async function runHasher(port: MessagePort): Promise<void> {
  const hash = await makeHash();
  const answer = (message: FromHasher, transfer: Transferable[]) => {
    port.postMessage(message, transfer);
  };
  // Set only now: until then the port keeps what comes.
  port.onmessage = (event: MessageEvent<ToHasher>) => {
    const message = event.data;
    switch (message.type) {
      case "update":
        hash.update(new Uint8Array(message.buffer, 0, message.lengthBytes));
        answer({ type: "updated", buffer: message.buffer }, [message.buffer]);
        return;
      case "digest":
        answer({ type: "digest", sha256: hash.digest() }, []);
        return;
      case "load":
        answer({ type: "loaded", usable: hash.load(message.state) }, []);
        return;
      case "save":
        answer({ type: "saved", state: hash.save() }, []);
    }
  };
}

async function makeHash(): Promise<IncrementalHash> {
  try {
    const hash = await createSHA256();
    hash.init();
    return {
      update: (bytes) => void hash.update(bytes),
      digest: () => hash.digest("hex"),
      save: () => new Uint8Array(hash.save()),
      load: (state) => {
        try {
          hash.load(state);
          return true;
        } catch {
          // The state carries a tag of the build that saved it.
          hash.init();
          return false;
        }
      },
    };
  } catch {
    // `CompileError`: the page's CSP has no 'wasm-unsafe-eval'.
    const hash = sha256.create();
    return {
      update: (bytes) => void hash.update(bytes),
      digest: () => toHex(hash.digest()),
      save: () => null,
      load: () => false,
    };
  }
}

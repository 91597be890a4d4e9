/**
 * The worker's second role: SHA-256 over bytes that come in order and in parts, which WebCrypto cannot do.
 *
 * In WebAssembly where that may run; pages whose CSP forbids it get the same digest from JavaScript, more slowly.
 */

import type { FromHasher, ToHasher } from "./messages.ts";
import { plainEngine } from "./sha256-plain.ts";
import { Sha256Stream } from "./sha256-stream.ts";
import { wasmEngine } from "./sha256-wasm.ts";

/** Serves one file on `port`. */
export async function runHasher(port: MessagePort): Promise<void> {
  const hash = new Sha256Stream(await wasmEngine().catch(plainEngine));
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

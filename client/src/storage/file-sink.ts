/**
 * A file that the visitor picked. What is written goes to a file of the browser's own beside it, and becomes the picked
 * one when it is closed: a download that ends early leaves nothing half.
 */

import type { OrderedSink } from "./ordered-store.ts";

/** @throws DOMException when the visitor's permission has ended. */
export async function openFileSink(handle: FileSystemFileHandle): Promise<OrderedSink> {
  const file = await handle.createWritable();
  return {
    write: (bytes) => file.write(bytes),
    close: async () => {
      await file.close();
      return undefined;
    },
    abort: () => file.abort(),
  };
}

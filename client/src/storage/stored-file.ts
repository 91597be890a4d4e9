/** What a finished download left, as the page gets it that hands the file over. */
export type StoredFile =
  /** A file of the origin private file system: folders, then the name. */
  | { readonly kind: "opfs"; readonly path: readonly string[] }
  | { readonly kind: "memory"; readonly blob: Blob }
  /** It has left already, to the place that was given. */
  | { readonly kind: "delivered" };

/** Where a download's bytes go; the ladder of core/save-ladder.ts, with what the worker needs for each rung. */
export type Place =
  | { readonly kind: "opfs" }
  | { readonly kind: "memory" }
  /** A file that the visitor picked. */
  | { readonly kind: "file"; readonly handle: FileSystemFileHandle }
  /** A service worker's download; the port leads there (storage/stream-sink.ts). */
  | { readonly kind: "stream"; readonly port: MessagePort };

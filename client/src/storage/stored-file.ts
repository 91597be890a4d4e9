/** What a finished download left, as the page gets it that hands the file over. */
export type StoredFile =
  /** A file of the origin private file system: folders, then the name. */
  { readonly kind: "opfs"; readonly path: readonly string[] } | { readonly kind: "memory"; readonly blob: Blob };

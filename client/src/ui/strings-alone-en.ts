/**
 * The words for a download without a panel, in English: a part of the table of strings-en.ts that the download itself
 * carries, because whoever forges files may also keep the panel away.
 */

export const ALONE_ENGLISH = {
  ask_unchecked:
    "{name} was stopped: it is not what its publisher signed, or that cannot be told. If your browser saved it, delete it. Code: {code}\n\nDownload it from {host} all the same? Nobody checks what the plain link brings.",
} as const;

/** What the donor page and its service worker agree on. */

export const SHELL_SCOPE = "/donate";
export const SHELL_CACHE = "distribute-io-donate";

/** What a page and the service worker that streams downloads say to each other. */

/** From the page to the service worker, by `postMessage`. */
export type ToServiceWorker =
  /**
   * A download is about to be asked for at `id`, below the worker's scope. Ports: to the download's bytes
   * (storage/stream-sink.ts), then one for {@link FromServiceWorker}.
   */
  | { readonly type: "open"; readonly id: string; readonly name: string; readonly sizeBytes: number }
  /** The download still runs. */
  | { readonly type: "runs"; readonly id: string }
  /** Its page is left, and the download ends with it. */
  | { readonly type: "left"; readonly id: string };

/** To the page, on its port. */
export type FromServiceWorker =
  /** The download can be asked for. Service workers that a site installed before `asked` was there do not say `tells`. */
  | { readonly type: "ready"; readonly tells?: true }
  /** The browser has asked for it. */
  | { readonly type: "asked" }
  /** Answer to `runs`. */
  | { readonly type: "alive" };

/** Folder below the service worker's own in which it answers: as narrow a scope as can be, so that no page is in it. */
export const SCOPE = "distribute-io-save/";

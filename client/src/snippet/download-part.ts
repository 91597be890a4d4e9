/** Entry of `download.js`: what the loader brings in when somebody is about to use a link. */

import { WorkerFactory } from "../download/worker-code.ts";
import { Panel } from "../ui/panel.ts";
import { LinkDownload } from "./link-download.ts";
import { registry, type DownloadPart, type LinkOptions } from "./part.ts";

const WORKER_PART = "download-worker.js";

const running = new Map<string, LinkDownload>();
const factories = new Map<string, WorkerFactory>();
let panel: Panel | undefined;

const part: DownloadPart = {
  downloadLink(link, plain, options) {
    // A second click on what runs already is a question where it is, not a wish for two.
    const key = `${options.coordinatorUrl} ${plain.dataset["distribute"] ?? ""} ${plain.href}`;
    const present = running.get(key);
    if (present !== undefined) {
      present.reveal();
      return;
    }
    if (options.ui === "panel") panel ??= new Panel();
    const download = new LinkDownload(
      { link, plain },
      options,
      workers(options),
      options.ui === "panel" ? panel : undefined,
    );
    running.set(key, download);
    void download.run().finally(() => running.delete(key));
  },
};

/** The factory of an address; its code is fetched once for all downloads. */
function workers(options: LinkOptions): WorkerFactory {
  const url = options.workerUrl ?? options.partsUrl + WORKER_PART;
  let factory = factories.get(url);
  if (factory === undefined) {
    factory = new WorkerFactory(
      options.workerUrl === null
        ? { kind: "part", url, integrity: options.parts[WORKER_PART] ?? "" }
        : { kind: "installed", url },
    );
    factories.set(url, factory);
  }
  return factory;
}

const integrity = document.currentScript instanceof HTMLScriptElement ? document.currentScript.integrity : "";
registry()[integrity] = part;

/** Where the npm module has its donor worker from: its own text, or a file that the page has installed. */

import type { WorkerCode } from "../download/worker-code.ts";

/** The donor worker's whole text, written by the build: the module needs no file beside it. In one place: it is long. */
declare const __DIO_DONOR_WORKER__: string;

/** @param installedUrl of the page's own origin; undefined: none is installed. */
export function donorWorker(installedUrl: string | undefined): WorkerCode {
  return installedUrl === undefined
    ? { kind: "text", text: __DIO_DONOR_WORKER__ }
    : { kind: "installed", url: new URL(installedUrl, location.href).href };
}

/**
 * Entry of `download.js`, which is the page's half of a download and its workers' in one: nothing is in it twice, and both
 * compress better together (docs/decisions/0037). Not TypeScript, which knows a file either of pages or of workers.
 */

import { serveDownloads } from "../worker/download-worker.ts";
import { offerDownloads } from "./download-part.ts";

if (typeof document === "undefined") serveDownloads();
else offerDownloads();

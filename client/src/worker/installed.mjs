/** Entry of `download-worker.js`: the workers alone, for pages that install them on their own origin and for the npm module. */

import { serveDownloads } from "./download-worker.ts";

serveDownloads();

/** Bundles the pages of the peer benchmarks from the client's sources: `node build.mjs FOLDER`. */
import { copyFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { build } from "../../client/node_modules/esbuild/lib/main.js";

const here = dirname(fileURLToPath(import.meta.url));
const out = argv[2];

await build({
  entryPoints: ["donors.mjs", "donors-worker.mjs", "prefill-worker.mjs"].map((name) => join(here, name)),
  outdir: out,
  bundle: true,
  minify: true,
  target: "es2022",
  format: "iife",
  logLevel: "warning",
});
for (const name of ["donors.html", "bare.html", "bare.js", "torrent.html", "torrent.js"]) {
  await copyFile(join(here, name), join(out, name));
}

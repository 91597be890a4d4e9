/**
 * Builds the browser client into `src/distribute_io/client_dist/`.
 *
 * The order is the chain of trust: first the parts that load nothing, then the pages which pin those parts, then the
 * loader, which pins every part by its SHA-384; a page pins the loader. `HASH` of `/v/HASH/` names the loader and with it
 * everything below. The npm module comes last, because it also has to know that address.
 *
 * `define` gives the sources: `__DIO_PARTS__` (name -> `sha384-…` of what was built before), and, in the
 * module only, `__DIO_HASH__` and `__DIO_WORKER__` and `__DIO_DONOR_WORKER__`, the workers' whole texts.
 * The same sources give the same bytes: no date, no path, no version of the machine enters the output.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "src", "distribute_io", "client_dist");

const LOADER = "distribute.js";
const MODULE = "index.js";
const WORKER = "download-worker.js";
const DONOR_WORKER = "donor-worker.js";

/**
 * What is built, in stages; a stage may pin what the stages before it made. The number is the most bytes that a part may
 * have: somebody's visitors pay for each, so growing one is a line in the diff. The loader is on other people's pages for
 * every visitor, also those who download nothing.
 */
const STAGES = [
  [
    ["download.js", "src/snippet/download-part.ts", 60_000],
    [WORKER, "src/worker/download-worker.ts", 120_000],
    [DONOR_WORKER, "src/donate/donor-worker.ts", 80_000],
    ["site.css", "src/pages/site.css", 8_000],
    ["donate.css", "src/pages/donate.css", 8_000],
  ],
  [
    ["donate.js", "src/pages/donate.ts", 32_000],
    ["front.js", "src/pages/front.ts", 4_000],
  ],
  [[LOADER, "src/snippet/loader.ts", 10_000]],
  [[MODULE, "src/index.ts", 270_000]],
];

/** Pages that are files: `{{HASH}}` and `{{NAME}}` stand for the build's address and a part's SRI hash. */
const PAGES = [["donate.html", "src/pages/donate.html"]];

const integrity = {};
let hash = "";
/** Texts of the workers by name. */
const workers = {};

/** Bundles one entry and returns its bytes; esbuild's own messages go to stderr. */
async function bundle(name, entry) {
  const result = await build({
    absWorkingDir: here,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    target: "es2022",
    format: name.endsWith(".css") ? undefined : name === MODULE ? "esm" : "iife",
    charset: "ascii", // a page that includes a script decides how its bytes are read
    legalComments: "none",
    logLevel: "warning",
    define: {
      __DIO_PARTS__: JSON.stringify(integrity),
      __DIO_HASH__: JSON.stringify(hash),
      __DIO_WORKER__: JSON.stringify(name === MODULE ? workers[WORKER] : ""),
      __DIO_DONOR_WORKER__: JSON.stringify(name === MODULE ? workers[DONOR_WORKER] : ""),
    },
  });
  return result.outputFiles[0].contents;
}

/** A page with its placeholders filled in. */
async function fill(source) {
  const template = await readFile(join(here, source), "utf8");
  return template.replace(/\{\{([\w.-]+)\}\}/g, (_, key) => {
    const value = key === "HASH" ? hash : integrity[key];
    if (!value) throw new Error(`${source} names ${key}, which is not built`);
    return value;
  });
}

const staging = `${out}.new-${process.pid}`;
await mkdir(staging, { recursive: true });
try {
  for (const stage of STAGES) {
    const built = await Promise.all(stage.map(async ([name, entry, most]) => [name, await bundle(name, entry), most]));
    for (const [name, bytes, most] of built) {
      if (bytes.length > most) throw new Error(`${name} has ${bytes.length} bytes, its limit is ${most}`);
      if (name === LOADER) hash = createHash("sha256").update(bytes).digest("hex").slice(0, 32);
      if (name === WORKER || name === DONOR_WORKER) workers[name] = Buffer.from(bytes).toString();
      integrity[name] = `sha384-${createHash("sha384").update(bytes).digest("base64")}`;
      await writeFile(join(staging, name), bytes);
    }
  }
  for (const [name, source] of PAGES) await writeFile(join(staging, name), await fill(source));
  await writeFile(join(staging, "build.json"), `${JSON.stringify({ hash, integrity }, null, 2)}\n`);
  // Swapped in whole, so that a running server or a second build never sees half of it.
  await rm(out, { recursive: true, force: true });
  await rename(staging, out);
} catch (error) {
  if (error.errors === undefined) console.error(`client build: ${error.message}`); // esbuild prints its own
  process.exitCode = 1;
} finally {
  await rm(staging, { recursive: true, force: true });
}

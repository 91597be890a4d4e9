/**
 * Builds the browser client into `src/distribute_io/client_dist/`.
 *
 * The order is the chain of trust: first the parts that load nothing, then the pages which pin those parts, then the
 * loader, which pins the parts that it or they bring in by their SHA-384; a page pins the loader. `HASH` of `/v/HASH/`
 * names the loader and all parts. The npm module comes last, because it also has to know that address.
 *
 * `define` gives the sources: `__DIO_PARTS__` (name -> `sha384-…` of what was built before; in the loader, of what a tag
 * brings in), and, in the module only, `__DIO_HASH__` and `__DIO_WORKER__` and `__DIO_DONOR_WORKER__`, the workers' whole
 * texts.
 * The same sources give the same bytes: no date, no path, no version of the machine enters the output.
 *
 * esbuild bundles and terser goes over what it made: 4 to 6 % less after gzip, which a visitor pays and we do not.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build, transform } from "esbuild";
import { minify } from "terser";
import { drawIcon } from "./icon.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "src", "distribute_io", "client_dist");

const LOADER = "distribute.js";
const MODULE = "index.js";
const DOWNLOAD = "download.js";
const WORKER = "download-worker.js";
const DONOR_WORKER = "donor-worker.js";
const PANEL = "panel.js";
const MORE = "more.js";
const GERMAN = "strings-de.json";

/** What comes into a page by its tag: all that the loader pins, since each pin costs every visitor 55 bytes. */
const PARTS_OF_TAG = [DOWNLOAD, PANEL, MORE, DONOR_WORKER, GERMAN];

/**
 * What is built, in stages; a stage may pin what the stages before it made. The number is the most bytes that a part may
 * have after gzip, as they travel: somebody's visitors pay for each, so growing one is a line in the diff.
 */
const STAGES = [
  [
    [DOWNLOAD, "src/snippet/download.mjs", 48_150],
    [WORKER, "src/worker/installed.mjs", 35_000],
    [DONOR_WORKER, "src/donate/donor-worker.ts", 33_200],
    [PANEL, "src/snippet/panel-part.ts", 12_200],
    [MORE, "src/snippet/more-part.ts", 8_900],
    ["dio-sw.js", "src/saving/save-service-worker.ts", 1_500],
    ["site.css", "src/pages/site.css", 3_000],
    ["donate.css", "src/pages/donate.css", 3_000],
    ["badge.css", "src/pages/badge.css", 2_000],
    ["badge.js", "src/pages/badge-tag.ts", 1_000],
    ["donate-sw.js", "src/pages/donate-service-worker.ts", 1_000],
    ["icon-192.png", "icon.mjs", 4_000],
    ["icon-512.png", "icon.mjs", 12_000],
    [GERMAN, "src/ui/strings-de.json", 4_000],
  ],
  [
    ["front.js", "src/pages/front.ts", 4_500],
    ["donate.js", "src/pages/donate.ts", 15_900],
    ["badge-page.js", "src/pages/badge.ts", 12_000],
  ],
  [[LOADER, "src/snippet/loader.ts", 4_000]],
  [[MODULE, "src/index.ts", 84_000]],
];

/**
 * What every download needs, after gzip: its figure says nothing of parts that come beside it and that no download waits
 * for, of which it prints the panel, since most pages have that. The loader is another bar: it is on other people's pages
 * for every visitor, also those who download nothing. docs/decisions/0037 says what else was tried.
 */
const DOWNLOAD_GZIPPED_MAX = 46_600;

/** The whole file's hasher in WebAssembly, which that figure leaves out: it is weighed without it. */
const HASHER_WASM = /sha256-wasm\.ts$/;
const WITHOUT_WASM = {
  name: "without-wasm",
  setup({ onLoad }) {
    onLoad({ filter: HASHER_WASM }, () => ({ contents: "export const wasmEngine = () => Promise.reject();" }));
  },
};

/** Pages that are files: `{{HASH}}` and `{{NAME}}` stand for the build's address and a part's SRI hash. */
const PAGES = [
  ["donate.html", "src/pages/donate.html"],
  ["badge.html", "src/pages/badge.html"],
  ["donate.webmanifest", "src/pages/donate.webmanifest"],
];

/** Style sheets of shadow roots are texts in modules. */
const MINIFIED_STYLES = {
  name: "minified-styles",
  setup({ onLoad }) {
    onLoad({ filter: /-style\.ts$/ }, async ({ path }) => {
      const [, name, sheet] = /export const (\w+) = `([^`]*)`;/.exec(await readFile(path, "utf8"));
      const { code } = await transform(sheet, { loader: "css", minify: true });
      return { contents: `export const ${name} = ${JSON.stringify(code)};` };
    });
  },
};

const integrity = {};
let hash = "";
/** Texts of the workers by name. */
const workers = {};
/** Bytes after gzip by part. */
const sizes = {};
/** Bytes after Brotli, which browsers take, by part. */
const brotliSizes = {};

/** Bundles one entry and returns its bytes; esbuild's own messages go to stderr. */
async function bundle(name, entry, plugins = []) {
  if (name.endsWith(".png")) return drawIcon(Number(/\d+/.exec(name)[0]));
  if (name.endsWith(".json")) return Buffer.from(JSON.stringify(JSON.parse(await readFile(join(here, entry), "utf8"))));
  const isModule = name === MODULE;
  const result = await build({
    absWorkingDir: here,
    entryPoints: [entry],
    bundle: true,
    plugins: [MINIFIED_STYLES, ...plugins],
    minify: true,
    write: false,
    target: "es2022",
    format: name.endsWith(".css") ? undefined : isModule ? "esm" : "iife",
    charset: "ascii", // a page that includes a script decides how its bytes are read
    legalComments: "none",
    logLevel: "warning",
    define: {
      __DIO_PARTS__: JSON.stringify(name === LOADER ? pinsOf(PARTS_OF_TAG) : integrity),
      __DIO_HASH__: JSON.stringify(hash),
      __DIO_WORKER__: JSON.stringify(isModule ? workers[WORKER] : ""),
      __DIO_DONOR_WORKER__: JSON.stringify(isModule ? workers[DONOR_WORKER] : ""),
    },
  });
  const bytes = Buffer.from(result.outputFiles[0].contents);
  if (!name.endsWith(".js")) return bytes;
  const { code } = await minify(bytes.toString(), {
    ecma: 2022,
    module: isModule,
    // Without sequences, and with operands where they were written, gzip finds more alike.
    compress: { passes: 3, pure_getters: true, sequences: false, lhs_constants: false },
    format: { ascii_only: true },
  });
  return Buffer.from(code);
}

/** What names a build in addresses: its loader and every part. */
function hashOf(loader, pins) {
  return createHash("sha256").update(loader).update(JSON.stringify(pins)).digest("hex").slice(0, 32);
}

/** SRI hashes of some parts. */
function pinsOf(names) {
  return Object.fromEntries(names.map((name) => [name, integrity[name]]));
}

/** Size as it travels. */
function gzippedBytes(bytes) {
  return gzipSync(bytes, { level: 9 }).length;
}

/** @throws Error when a part, or what a first download needs, has grown above its limit; else prints the figures. */
function weigh(sizes, download) {
  const hasher = sizes[DOWNLOAD] - download;
  const parts = Object.entries(sizes).map(([name, bytes]) => `${name} ${bytes}`);
  console.error(`client build, bytes after gzip: ${parts.join(", ")}`);
  const brotli = brotliSizes[DOWNLOAD] + brotliSizes[PANEL];
  console.error(
    `a download: ${download} of ${DOWNLOAD_GZIPPED_MAX}, ${hasher} of the hasher's WebAssembly, ` +
      `and ${sizes[PANEL]} of the panel where a page draws none of its own; ` +
      `after Brotli, as browsers get it, ${brotli} in all`,
  );
  for (const [name, , most] of STAGES.flat())
    if (sizes[name] > most) throw new Error(`${name} has ${sizes[name]} bytes after gzip, its limit is ${most}`);
  if (download > DOWNLOAD_GZIPPED_MAX)
    throw new Error(`a download costs ${download} bytes after gzip, the limit is ${DOWNLOAD_GZIPPED_MAX}`);
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
    const built = await Promise.all(stage.map(async ([name, entry]) => [name, await bundle(name, entry)]));
    for (const [name, bytes] of built) {
      sizes[name] = gzippedBytes(bytes);
      if (name === LOADER) hash = hashOf(bytes, integrity);
      if (name === WORKER || name === DONOR_WORKER) workers[name] = Buffer.from(bytes).toString();
      integrity[name] = `sha384-${createHash("sha384").update(bytes).digest("base64")}`;
      await writeFile(join(staging, name), bytes);
      const brotli = brotliCompressSync(bytes);
      brotliSizes[name] = brotli.length;
      await writeFile(join(staging, `${name}.br`), brotli);
    }
  }
  const [, source] = STAGES.flat().find(([name]) => name === DOWNLOAD);
  weigh(sizes, gzippedBytes(await bundle(DOWNLOAD, source, [WITHOUT_WASM])));
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

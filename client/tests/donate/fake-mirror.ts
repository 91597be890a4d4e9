/** Files, their catalogue, and mirrors that answer range requests from memory, well or badly. */
import { createHash, randomBytes } from "node:crypto";
import { SegmentLayout } from "../../src/core/segment-layout.ts";
import type { FileCatalogue, FileFacts, KnownFile } from "../../src/donate/catalogue.ts";
import type { Clock } from "../../src/transport/clock.ts";
import type { Fetch } from "../../src/transport/http-source.ts";
import { RefusedError } from "../../src/wire/errors.ts";

export const SEGMENT_BYTES = 262_144;

export interface MadeFile extends KnownFile {
  readonly content: Buffer;
  readonly digests: readonly Buffer[];
}

export function makeFile(name: string, sizeBytes: number, mirrors: readonly string[] = ["http://good/"]): MadeFile {
  const content = randomBytes(sizeBytes);
  const layout = new SegmentLayout(sizeBytes, SEGMENT_BYTES);
  const digests = Array.from({ length: layout.count }, (_, index) =>
    createHash("sha256")
      .update(content.subarray(layout.startOf(index), layout.endOf(index)))
      .digest(),
  );
  const fileId = createHash("sha256").update(content).digest("hex");
  const segmentList = new Uint8Array(Buffer.concat(digests));
  return { fileId, name, layout, segmentList, mirrors: mirrors.map((url) => url + name), content, digests };
}

export class FakeCatalogue implements FileCatalogue {
  readonly #files: readonly MadeFile[];
  readonly #looked = new Set<string>();

  constructor(...files: readonly MadeFile[]) {
    this.#files = files;
  }

  known(fileId: string): KnownFile | undefined {
    return this.#looked.has(fileId) ? this.#files.find((file) => file.fileId === fileId) : undefined;
  }

  about(fileId: string): FileFacts | undefined {
    const file = this.known(fileId);
    return file === undefined ? undefined : { name: file.name, segments: file.layout.count };
  }

  look(fileId: string): Promise<KnownFile> {
    this.#looked.add(fileId);
    const file = this.known(fileId);
    return file === undefined ? Promise.reject(new RefusedError("unknown_file", "?")) : Promise.resolve(file);
  }

  forget(fileId: string): void {
    this.#looked.delete(fileId);
  }
}

/**
 * Mirrors by the host in their address: `good`, `liar` (flips a bit of every answer), `dead`, `short` (ends within each
 * segment but the first), `slow` (five seconds for an answer), `silent` (half a segment, and then nothing).
 */
export class FakeMirrors {
  readonly asked: string[] = [];
  sentBytes = 0;
  /** Requests to slow mirrors that were given up. */
  aborted = 0;
  readonly fetch: Fetch;

  constructor(clock: Clock, ...files: readonly MadeFile[]) {
    this.fetch = async (url, init) => {
      const file = files.find((known) => url.endsWith(known.name));
      const range = /^bytes=(\d+)-(\d+)$/.exec(new Headers(init.headers).get("Range") ?? "");
      const host = new URL(url).hostname;
      this.asked.push(`${host} ${range?.[1] ?? ""}-${range?.[2] ?? ""}`);
      if (file === undefined || range === null || host === "dead") throw new TypeError("network");
      const bytes = Buffer.from(file.content.subarray(Number(range[1]), Number(range[2]) + 1));
      if (host === "liar") bytes[7] = (bytes[7] ?? 0) ^ 1;
      const body = host === "short" && range[1] !== "0" ? bytes.subarray(0, SEGMENT_BYTES / 2) : bytes;
      this.sentBytes += body.length;
      const headers = { "Content-Length": String(bytes.length) };
      if (host === "silent") {
        const stuck = new ReadableStream<Uint8Array>({
          start(controller) {
            controller.enqueue(new Uint8Array(bytes.subarray(0, SEGMENT_BYTES / 2)));
            init.signal?.addEventListener("abort", () => {
              controller.error(new DOMException("aborted", "AbortError"));
            });
          },
        });
        return new Response(stuck, { status: 206, headers });
      }
      if (host === "slow") {
        await new Promise<void>((resolve, reject) => {
          const giveUp = () => {
            this.aborted += 1;
            reject(new DOMException("aborted", "AbortError"));
          };
          init.signal?.addEventListener("abort", giveUp);
          clock.after(5_000_000, () => {
            init.signal?.removeEventListener("abort", giveUp);
            resolve();
          });
        });
      }
      return new Response(new Uint8Array(body), { status: 206, headers });
    };
  }
}

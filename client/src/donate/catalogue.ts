/**
 * What a donor knows of the files that it is asked to hold: entries of the coordinator, each checked against its signed
 * manifest, and the segment list against that.
 *
 * Only a few are kept: a list has 32 bytes for each segment, and a donor needs it only while it fills.
 */

import { fetchSegmentList, resolve } from "../download/coordinator.ts";
import { judgeMirrors } from "../download/mirrors.ts";
import { trustedFile, trustedSegmentList } from "../download/trust.ts";
import type { SegmentLayout } from "../core/segment-layout.ts";

export interface KnownFile {
  readonly fileId: string;
  /** As signed. */
  readonly name: string;
  readonly layout: SegmentLayout;
  /** Checked: 32 bytes for each segment. */
  readonly segmentList: Uint8Array<ArrayBuffer>;
  /** Addresses that this page may ask, best first. */
  readonly mirrors: readonly string[];
}

/** What people want to know of a file. */
export interface FileFacts {
  /** As signed. */
  readonly name: string;
  /** How many segments it has. */
  readonly segments: number;
}

/** Where a donor looks files up. */
export interface FileCatalogue {
  /** A file that was looked up and is still kept. */
  known(fileId: string): KnownFile | undefined;
  /** What is remembered of a file that was looked up; undefined otherwise. */
  about(fileId: string): FileFacts | undefined;
  /**
   * Looks a file up.
   *
   * @throws DistributeError when it is not known, or what is said of it does not hold.
   */
  look(fileId: string, signal: AbortSignal): Promise<KnownFile>;
  /** Forgets a file: it was withdrawn, or its mirrors have to be asked for again. */
  forget(fileId: string): void;
}

const FILES_KEPT = 8;

/** Facts are short: kept for all files that are held. */
const FACTS_KEPT = 1_024;

/** A coordinator's catalogue, by its HTTP interface. */
export class DonorCatalogue implements FileCatalogue {
  readonly #coordinatorUrl: string;
  readonly #pageUrl: string;
  readonly #files = new Map<string, KnownFile>();
  readonly #facts = new Map<string, FileFacts>();

  /** @param pageUrl where the page is: decides which mirrors may be asked (private networks, mixed content). */
  constructor(coordinatorUrl: string, pageUrl: string) {
    this.#coordinatorUrl = coordinatorUrl;
    this.#pageUrl = pageUrl;
  }

  known(fileId: string): KnownFile | undefined {
    return this.#files.get(fileId);
  }

  about(fileId: string): FileFacts | undefined {
    return this.#facts.get(fileId);
  }

  async look(fileId: string, signal: AbortSignal): Promise<KnownFile> {
    const kept = this.#files.get(fileId);
    if (kept !== undefined) return kept;
    const entry = await resolve(this.#coordinatorUrl, { fileId }, signal);
    const trusted = await trustedFile(entry, fileId, []);
    const listBytes = 32 * trusted.layout.count;
    const data = await fetchSegmentList(this.#coordinatorUrl, entry.segments_url, listBytes, signal);
    const where = { pageUrl: this.#pageUrl, coordinatorUrl: this.#coordinatorUrl };
    const file: KnownFile = {
      fileId,
      name: trusted.name,
      layout: trusted.layout,
      segmentList: await trustedSegmentList(trusted, data),
      mirrors: judgeMirrors(entry.mirrors, where).flatMap(({ url, problem }) => (problem === null ? [url] : [])),
    };
    keep(this.#files, fileId, file, FILES_KEPT);
    keep(this.#facts, fileId, { name: file.name, segments: file.layout.count }, FACTS_KEPT);
    return file;
  }

  forget(fileId: string): void {
    this.#files.delete(fileId);
  }
}

function keep<Value>(map: Map<string, Value>, key: string, value: Value, most: number): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.keys().next();
  if (map.size > most && oldest.done !== true) map.delete(oldest.value);
}

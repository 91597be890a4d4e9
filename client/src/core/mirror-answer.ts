/**
 * What a mirror's answer to a range request is worth (spec/mirror-answers.md); the twin of
 * `distribute_io.core.mirror_answer`. Both run spec/vectors/mirror-answers.json.
 *
 * Pure: from the answer's head to the code of what is wrong with it, and from failures to whether asking again can help.
 */

import type { ERROR_CODES } from "../wire/messages.ts";
import { parseTimestamp } from "./timestamp.ts";

/** A code of the family `source`. */
export type SourceCode = (typeof ERROR_CODES)["source"][number];

/** Status and headers of an answer. */
export interface AnswerHead {
  readonly status: number;
  /** A header by its name; null when it is not there or may not be seen. */
  readonly header: (name: string) => string | null;
}

/** What was asked for. */
export interface AskedRange {
  /** First byte. */
  readonly startByte: number;
  /** One past the last byte; above `startByte`. */
  readonly endByte: number;
  /** The size that the whole file has by its manifest; another one means that the mirror holds another file. */
  readonly fileSizeBytes: number;
}

/** Why an answer is not the range that was asked for. */
export interface Fault {
  readonly code: SourceCode;
  /** When the mirror wants to be asked again, in microseconds from now; null: it said nothing. */
  readonly retryAfterUs: number | null;
}

/** A mirror that wants to be left alone for longer than a day is out for any download. */
const RETRY_AFTER_S_MAX = 86_400;

const CONTENT_RANGE = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/;

/** Statuses that have a code of their own. */
const BY_STATUS: ReadonlyMap<number, SourceCode> = new Map<number, SourceCode>([
  [401, "mirror_forbidden"],
  [403, "mirror_forbidden"],
  [404, "mirror_missing"],
  [410, "mirror_missing"],
  [416, "mirror_file_changed"],
  [429, "mirror_busy"],
  [451, "mirror_forbidden"],
  [503, "mirror_busy"],
]);

/** What asking the same mirror again cannot mend. */
const PERMANENT: ReadonlySet<string> = new Set<SourceCode>([
  "mirror_ignores_range",
  "mirror_wrong_range",
  "mirror_file_changed",
  "mirror_missing",
  "mirror_insecure",
  "mirror_private_address",
  "mirror_redirects",
]);

/** What may pass (a guard against floods, an error page without CORS), but seldom does. */
const SELDOM_PASSES: ReadonlySet<string> = new Set<SourceCode>([
  "mirror_forbidden",
  "mirror_no_cors",
  "mirror_local_network",
  "mirror_tls",
]);

/** So many of {@link SELDOM_PASSES} in a row are taken for the mirror's last word. */
const SELDOM_MAX = 3;

/**
 * Judges status and headers (RFC 9110, sections 14.4, 15.3.7 and 10.2.3).
 *
 * @param hidden may headers be hidden? A page sees those of another origin only where the mirror exposes them: then what
 *   cannot be seen is not asked for, and the digests decide.
 * @returns null when it is the range that was asked for.
 */
export function judgeAnswer(head: AnswerHead, asked: AskedRange, hidden: boolean, nowS: number): Fault | null {
  const { status, header } = head;
  if (status === 200 || status === 206) {
    const encoding = header("Content-Encoding") ?? "identity";
    const code =
      encoding.trim().toLowerCase() !== "identity"
        ? "mirror_wrong_range"
        : status === 200
          ? judgeWhole(head, asked)
          : judgePart(head, asked, hidden);
    return code === null ? null : { code, retryAfterUs: null };
  }
  const code = BY_STATUS.get(status) ?? "mirror_status";
  return { code, retryAfterUs: code === "mirror_busy" ? retryAfterUs(head, nowS) : null };
}

function judgeWhole({ header }: AnswerHead, asked: AskedRange): SourceCode | null {
  const lengthBytes = decimal(header("Content-Length"));
  if (lengthBytes !== null && lengthBytes !== asked.fileSizeBytes) return "mirror_file_changed";
  return asked.startByte === 0 && asked.endByte === asked.fileSizeBytes ? null : "mirror_ignores_range";
}

function judgePart({ header }: AnswerHead, asked: AskedRange, hidden: boolean): SourceCode | null {
  const text = header("Content-Range");
  if (text !== null || !hidden) {
    const [, first, last, size] = CONTENT_RANGE.exec(text?.trim() ?? "") ?? [];
    if (size === undefined) return "mirror_wrong_range";
    if (size !== "*" && Number(size) !== asked.fileSizeBytes) return "mirror_file_changed";
    if (Number(first) !== asked.startByte || Number(last) !== asked.endByte - 1) return "mirror_wrong_range";
  }
  const lengthBytes = decimal(header("Content-Length"));
  return lengthBytes === null || lengthBytes === asked.endByte - asked.startByte ? null : "mirror_wrong_range";
}

/** `Retry-After` in microseconds from now, in both its forms; null when absent or not understood. */
function retryAfterUs({ header }: AnswerHead, nowS: number): number | null {
  const text = header("Retry-After")?.trim() ?? "";
  const seconds = /^\d+$/.test(text) ? Number(text.slice(0, 9)) : untilS(text, header("Date"), nowS);
  return seconds === null ? null : Math.min(Math.max(seconds, 0), RETRY_AFTER_S_MAX) * 1_000_000;
}

/** A date is compared with the mirror's own clock where it tells it, so that ours need not be right. */
function untilS(text: string, date: string | null, nowS: number): number | null {
  const atS = httpDateS(text);
  return atS === null ? null : atS - (httpDateS(date ?? "") ?? nowS);
}

/** When the mirror's file was last changed, by its own word, in seconds since 1970; null when it does not say. */
export function lastModifiedS({ header }: AnswerHead): number | null {
  return httpDateS(header("Last-Modified") ?? "");
}

const HTTP_DATE = /^[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}:\d{2}:\d{2}) GMT$/;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** The form that all senders use (RFC 9110, section 5.6.7); those of old are not read. */
function httpDateS(text: string): number | null {
  const [, day, month, year, time] = HTTP_DATE.exec(text.trim()) ?? [];
  const number = MONTHS.indexOf(month ?? "") + 1;
  if (number === 0) return null;
  try {
    return parseTimestamp(`${year}-${String(number).padStart(2, "0")}-${day}T${time}Z`);
  } catch {
    return null; // no such day
  }
}

function decimal(header: string | null): number | null {
  return header !== null && /^\d{1,16}$/.test(header.trim()) ? Number(header) : null;
}

/** The failures of one mirror: says whether it is worth asking again. */
export class FailureRow {
  #code: string | null = null;
  #count = 0;

  /** It failed. @returns whether it will never deliver this file. */
  failed(code: string): boolean {
    this.#count = code === this.#code ? this.#count + 1 : 1;
    this.#code = code;
    return PERMANENT.has(code) || (SELDOM_PASSES.has(code) && this.#count >= SELDOM_MAX);
  }

  /** It delivered something. */
  delivered(): void {
    this.#code = null;
    this.#count = 0;
  }
}

/**
 * Was a mirror's file replaced after its manifest was made? By its own word: nothing proves it.
 *
 * @param lastModified by the mirror's word, in seconds since 1970; null: it does not say.
 */
export function isReplaced(lastModified: number | null, publishedAtS: number): boolean {
  return lastModified !== null && lastModified > publishedAtS;
}

/**
 * The clicked link was dropped with `code`: does it lead to another file by now (M6)?
 *
 * @param replaced see {@link isReplaced}.
 * @param pinned did a pinned key sign the manifest?
 * @returns `follow`: the download ends, and the link is followed; `ban`: the link is banned as for any wrong bytes, and
 *   shown as changed; null: it is judged as any mirror.
 */
export function judgeLink(code: string, replaced: boolean, pinned: boolean): "follow" | "ban" | null {
  if (code === "mirror_file_changed") return "follow";
  if (code !== "segment_mismatch" || !replaced) return null;
  return pinned ? "ban" : "follow";
}

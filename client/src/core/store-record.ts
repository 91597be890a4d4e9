/**
 * The records of a donor's index file: fixed size, each with its own checksum, so that a write torn by a crash damages one
 * record and no other.
 *
 * The file is a row of 128-byte slots. Slots 0 and 1 hold the totals, written in turn: the one with the higher
 * generation counts. Every later slot holds one segment, or zeros when it is free.
 *
 * | bytes | segment | totals |
 * | --- | --- | --- |
 * | 0-3 | "dio" and the format's version (1) | the same |
 * | 4-7 | kind: 1 | kind: 2 |
 * | 8-39 | digest | 8-15 generation, 16-23 bytes served, 24-31 of these on `day`, 32-35 day, 36-39 people |
 * | 40-71 | file id | charged: 40-47 bytes of the day, 48-55 bytes of the month, 56-59 day, 60-63 month; 64-67 people on `day`; then 0 |
 * | 72-79 | segment index, size | the day and the month that were charged ahead, or 0 |
 * | 124-127 | FNV-1a of what precedes | the same |
 */

import type { Charged } from "./allowance.ts";
import { fnv1a } from "./fnv.ts";
import { fromHex, toHex } from "./hex.ts";

export const RECORD_BYTES = 128;
const CHECKED_BYTES = RECORD_BYTES - 4;
const MAGIC = 0x64696f00;
export const STORE_VERSION = 1;

/** One segment that is held. Digest and file id in hexadecimal. */
export interface SegmentRecord {
  readonly fileId: string;
  readonly index: number;
  readonly digest: string;
  readonly sizeBytes: number;
}

/** What a donor has given. */
export interface Totals {
  /** Bytes handed to downloaders, ever. */
  readonly servedBytes: number;
  /** Of these, bytes on `day`. */
  readonly servedTodayBytes: number;
  /** Days since 1 January 1970, in the visitor's own time zone. */
  readonly day: number;
  /** Downloaders that got anything, ever. */
  readonly people: number;
  /** Of these, on `day`. */
  readonly peopleToday: number;
  /** What the budgets were charged with. */
  readonly charged: Charged;
}

export type StoreRecord =
  | { readonly kind: "segment"; readonly segment: SegmentRecord }
  | { readonly kind: "totals"; readonly totals: Totals; readonly generation: number }
  | { readonly kind: "free" }
  /** Torn, or not ours. */
  | { readonly kind: "damaged" }
  /** Written by a later version of this program. */
  | { readonly kind: "newer" };

export function encodeSegmentRecord(record: SegmentRecord): Uint8Array<ArrayBuffer> {
  const { bytes, view } = blank(1);
  bytes.set(fromHex(record.digest), 8);
  bytes.set(fromHex(record.fileId), 40);
  view.setUint32(72, record.index);
  view.setUint32(76, record.sizeBytes);
  return sealed(bytes, view);
}

export function encodeTotals(totals: Totals, generation: number): Uint8Array<ArrayBuffer> {
  const { bytes, view } = blank(2);
  view.setBigUint64(8, BigInt(generation));
  view.setBigUint64(16, BigInt(totals.servedBytes));
  view.setBigUint64(24, BigInt(totals.servedTodayBytes));
  view.setUint32(32, totals.day);
  view.setUint32(36, totals.people);
  view.setBigUint64(40, BigInt(totals.charged.dayBytes));
  view.setBigUint64(48, BigInt(totals.charged.monthBytes));
  view.setUint32(56, totals.charged.day);
  view.setUint32(60, totals.charged.month);
  view.setUint32(64, totals.peopleToday);
  const [aheadDay, aheadMonth] = totals.charged.ahead ?? [0, 0];
  view.setUint32(72, aheadDay);
  view.setUint32(76, aheadMonth);
  return sealed(bytes, view);
}

/** @param bytes exactly one slot. */
export function decodeRecord(bytes: Uint8Array): StoreRecord {
  if (bytes.every((byte) => byte === 0)) return { kind: "free" };
  const view = new DataView(bytes.buffer, bytes.byteOffset, RECORD_BYTES);
  const head = view.getUint32(0);
  if (head >>> 8 !== MAGIC >>> 8 || view.getUint32(CHECKED_BYTES) !== fnv1a(bytes.subarray(0, CHECKED_BYTES)))
    return { kind: "damaged" };
  if ((head & 0xff) !== STORE_VERSION) return { kind: "newer" };
  switch (view.getUint32(4)) {
    case 1:
      return {
        kind: "segment",
        segment: {
          digest: toHex(bytes.subarray(8, 40)),
          fileId: toHex(bytes.subarray(40, 72)),
          index: view.getUint32(72),
          sizeBytes: view.getUint32(76),
        },
      };
    case 2:
      return {
        kind: "totals",
        generation: Number(view.getBigUint64(8)),
        totals: {
          servedBytes: Number(view.getBigUint64(16)),
          servedTodayBytes: Number(view.getBigUint64(24)),
          day: view.getUint32(32),
          people: view.getUint32(36),
          peopleToday: view.getUint32(64), // 0 where an earlier version wrote it
          charged: {
            day: view.getUint32(56),
            dayBytes: Number(view.getBigUint64(40)),
            month: view.getUint32(60),
            monthBytes: Number(view.getBigUint64(48)),
            // 0 where an earlier version wrote it, too
            ...((view.getUint32(72) > 0 || view.getUint32(76) > 0) && {
              ahead: [view.getUint32(72), view.getUint32(76)] as const,
            }),
          },
        },
      };
    default:
      return { kind: "newer" };
  }
}

function blank(kind: number): { bytes: Uint8Array<ArrayBuffer>; view: DataView } {
  const bytes = new Uint8Array(RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC | STORE_VERSION);
  view.setUint32(4, kind);
  return { bytes, view };
}

function sealed(bytes: Uint8Array<ArrayBuffer>, view: DataView): Uint8Array<ArrayBuffer> {
  view.setUint32(CHECKED_BYTES, fnv1a(bytes.subarray(0, CHECKED_BYTES)));
  return bytes;
}

/**
 * What a download's journal says: which segments are durable, and how far the whole file's digest has come.
 *
 * The journal lies beside the data file and has two slots, written in turn, so that a crash while one is written leaves
 * the other. Nothing is believed that is not in a whole slot of exactly this file: same content, same segment list, same
 * layout. Both slots damaged, or of another file: the download begins anew, which costs time and never correctness.
 *
 * | bytes of a slot | content |
 * | --- | --- |
 * | 0-3 | "dij" and the format's version (1) |
 * | 4-11 | counter; the slot with the higher one counts |
 * | 12-43 | file id, the whole file's SHA-256 |
 * | 44-75 | SHA-256 of the segment list |
 * | 76-87 | size of the file (8), of a segment (4) |
 * | 88-91 | segments in the front's digest, from the first on |
 * | 92-95 | length of the digest's state; 0: there is none |
 * | 96-351 | the state |
 * | 352-… | one byte for each segment, a {@link Mark} |
 * | then 4 | FNV-1a of what precedes |
 */

import { fnv1a } from "./fnv.ts";
import { equalBytes, fromHex, toHex } from "./hex.ts";
import { SegmentLayout } from "./segment-layout.ts";

/** Where a segment stands. */
export const Mark = {
  missing: 0,
  /** On the disk since an earlier checkpoint than the slot's. */
  durable: 1,
  /** Written since the checkpoint before: flushed, and yet hashed again before it is believed after a restart. */
  recent: 2,
} as const;

/** The incremental digest of a file's first segments. The state is the hasher's own business. */
export interface HashedFront {
  readonly segments: number;
  readonly state: Uint8Array<ArrayBuffer>;
}

/** Which file a journal belongs to. */
export interface JournaledFile {
  /** Lower-case hexadecimal, as is the next. */
  readonly fileId: string;
  readonly segmentsSha256: string;
  readonly layout: SegmentLayout;
}

export interface JournalEntry {
  readonly counter: number;
  /** One {@link Mark} for each segment. */
  readonly marks: Uint8Array<ArrayBuffer>;
  readonly front: HashedFront | undefined;
}

/** More than the state of any hasher we use (SHA-256: 108 bytes). */
export const STATE_BYTES_MAX = 256;

const HEAD = 0x64696a01; // "dij", version 1
const STATE_AT = 96;
const MARKS_AT = STATE_AT + STATE_BYTES_MAX;

/** Slots begin at multiples of this, so that no disk block belongs to both. */
const ALIGN_BYTES = 4_096;

/** Bytes from one slot's begin to the next. */
export function slotBytes(layout: SegmentLayout): number {
  return Math.ceil(entryBytes(layout) / ALIGN_BYTES) * ALIGN_BYTES;
}

/** @throws RangeError when the front's state is longer than {@link STATE_BYTES_MAX}. */
export function encodeEntry(file: JournaledFile, entry: JournalEntry): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(entryBytes(file.layout));
  const view = new DataView(bytes.buffer);
  bytes.set(headOf(file));
  view.setBigUint64(4, BigInt(entry.counter));
  if (entry.front !== undefined) {
    if (entry.front.state.byteLength > STATE_BYTES_MAX) throw new RangeError("the hasher's state is too long");
    view.setUint32(88, entry.front.segments);
    view.setUint32(92, entry.front.state.byteLength);
    bytes.set(entry.front.state, STATE_AT);
  }
  bytes.set(entry.marks, MARKS_AT);
  view.setUint32(bytes.byteLength - 4, fnv1a(bytes.subarray(0, -4)));
  return bytes;
}

/** @returns undefined for a slot that is torn, empty, of another file or version, or says what cannot be. */
export function decodeEntry(file: JournaledFile, slot: Uint8Array): JournalEntry | undefined {
  const size = entryBytes(file.layout);
  if (slot.byteLength < size) return undefined;
  const bytes = slot.slice(0, size);
  const view = new DataView(bytes.buffer);
  if (view.getUint32(size - 4) !== fnv1a(bytes.subarray(0, -4))) return undefined;
  const counter = Number(view.getBigUint64(4));
  view.setBigUint64(4, 0n);
  if (!equalBytes(bytes.subarray(0, 88), headOf(file))) return undefined;
  const marks = bytes.slice(MARKS_AT, -4);
  if (marks.some((mark) => mark > Mark.recent)) return undefined;
  const stateBytes = view.getUint32(92);
  if (stateBytes === 0) return { counter, marks, front: undefined };
  const segments = view.getUint32(88);
  const hashed = marks.subarray(0, segments);
  if (stateBytes > STATE_BYTES_MAX || hashed.length < segments || hashed.includes(Mark.missing)) return undefined;
  return { counter, marks, front: { segments, state: bytes.slice(STATE_AT, STATE_AT + stateBytes) } };
}

/** The newer of the slots that can be believed; undefined when none can. */
export function latestEntry(file: JournaledFile, slots: readonly Uint8Array[]): JournalEntry | undefined {
  let latest: JournalEntry | undefined;
  for (const slot of slots) {
    const entry = decodeEntry(file, slot);
    if (entry !== undefined && entry.counter > (latest?.counter ?? -1)) latest = entry;
  }
  return latest;
}

/**
 * How many bytes a journal of an unknown file says are durable: for a list, not to be built on.
 *
 * @param content the journal file as it is.
 */
export function journalSummary(content: Uint8Array): number {
  const slotBytes = content.byteLength / 2;
  let latest: JournalEntry | undefined;
  let storedBytes = 0;
  for (const slot of [content.subarray(0, slotBytes), content.subarray(slotBytes)]) {
    if (slot.byteLength < MARKS_AT) continue;
    const view = new DataView(slot.buffer, slot.byteOffset);
    try {
      const layout = new SegmentLayout(Number(view.getBigUint64(76)), view.getUint32(84));
      const file = { fileId: toHex(slot.subarray(12, 44)), segmentsSha256: toHex(slot.subarray(44, 76)), layout };
      const entry = decodeEntry(file, slot);
      if (entry === undefined || entry.counter <= (latest?.counter ?? -1)) continue;
      latest = entry;
      storedBytes = entry.marks.reduce(
        (sum, mark, index) => sum + (mark === Mark.missing ? 0 : layout.lengthOf(index)),
        0,
      );
    } catch {
      // No size that a file can have.
    }
  }
  return storedBytes;
}

function entryBytes(layout: SegmentLayout): number {
  return MARKS_AT + layout.count + 4;
}

/** The first 88 bytes, with 0 for the counter. */
function headOf({ fileId, segmentsSha256, layout }: JournaledFile): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(88);
  const view = new DataView(head.buffer);
  view.setUint32(0, HEAD);
  head.set(fromHex(fileId), 12);
  head.set(fromHex(segmentsSha256), 44);
  view.setBigUint64(76, BigInt(layout.sizeBytes));
  view.setUint32(84, layout.segmentSizeBytes);
  return head;
}

/**
 * Peer frames: what two peers say on a data channel (spec/peer-frames.md), the twin of `distribute_io.wire.frames`.
 *
 * `decodeFrame` turns one message into one frame value or throws `RemoteProtocolError`; nothing downstream checks shapes
 * again. What is allowed when is decided in `core/peer-taker.ts` and `core/peer-giver.ts`.
 */

import { RemoteProtocolError } from "./errors.ts";
import { FRAME_BYTES_MAX, RUNS_MAX, SEGMENT_BYTES_MAX } from "./messages.ts";

export const ROLE_DOWNLOADER = 0;
export const ROLE_DONOR = 1;
export const DATA_HEADER_BYTES = 12;

/** Numbers of a refusal's `code` and the error codes that they stand for. */
export const REFUSAL_CODES = { 1: "not_held", 2: "busy", 3: "over_budget", 4: "peer_refused" } as const;
export type RefusalCode = keyof typeof REFUSAL_CODES;

/** Numbers of a goodbye's `code`; other numbers read as `peer_closed`. */
export const BYE_CODES = {
  0: "peer_closed",
  1: "busy",
  2: "over_budget",
  3: "ticket_unknown",
  4: "frame_unexpected",
  5: "flood",
} as const;

export interface HelloFrame {
  readonly kind: "hello";
  readonly version: number;
  readonly role: typeof ROLE_DOWNLOADER | typeof ROLE_DONOR;
  /** 16 bytes. */
  readonly matchId: Uint8Array;
  /** 32 bytes. */
  readonly proof: Uint8Array;
  readonly frameBytesMax: number;
}

export interface HoldingsFrame {
  readonly kind: "holdings";
  /** `[start, count]` runs of segment indices, ascending, neither overlapping nor touching. */
  readonly runs: readonly (readonly [number, number])[];
  readonly more: boolean;
}

export interface RequestFrame {
  readonly kind: "request";
  readonly requestId: number;
  /** SHA-256 of the segment, 32 bytes. */
  readonly digest: Uint8Array;
  readonly offset: number;
  readonly length: number;
}

export interface DataFrame {
  readonly kind: "data";
  readonly requestId: number;
  /** From the start of the segment. */
  readonly offset: number;
  /** A view into the message received. */
  readonly payload: Uint8Array;
}

export interface GrantFrame {
  readonly kind: "grant";
  readonly windowBytes: number;
  /** Cumulative over the channel. */
  readonly grantedBytes: number;
}

export interface CancelFrame {
  readonly kind: "cancel";
  readonly requestId: number;
}

export interface RefuseFrame {
  readonly kind: "refuse";
  readonly requestId: number;
  readonly code: RefusalCode;
}

export interface ReceiptFrame {
  readonly kind: "receipt";
  readonly bytesTotal: number;
  /** 32 bytes. */
  readonly mac: Uint8Array;
}

export interface ByeFrame {
  readonly kind: "bye";
  readonly code: number;
}

export type Frame =
  | HelloFrame
  | HoldingsFrame
  | RequestFrame
  | DataFrame
  | GrantFrame
  | CancelFrame
  | RefuseFrame
  | ReceiptFrame
  | ByeFrame;

const TYPE = {
  hello: 1,
  holdings: 2,
  request: 3,
  data: 4,
  grant: 5,
  cancel: 6,
  refuse: 7,
  receipt: 8,
  bye: 9,
} as const;

/** The bytes of a frame. */
export function encodeFrame(frame: Frame): Uint8Array<ArrayBuffer> {
  const { bytes, view } = allocate(encodedLength(frame));
  bytes[0] = TYPE[frame.kind];
  switch (frame.kind) {
    case "hello":
      bytes[1] = frame.version;
      bytes[2] = frame.role;
      bytes.set(frame.matchId, 4);
      bytes.set(frame.proof, 20);
      view.setUint32(52, frame.frameBytesMax);
      break;
    case "holdings":
      bytes[1] = frame.more ? 1 : 0;
      view.setUint16(2, frame.runs.length);
      frame.runs.forEach(([start, count], index) => {
        view.setUint32(4 + 8 * index, start);
        view.setUint32(8 + 8 * index, count);
      });
      break;
    case "request":
      view.setUint32(4, frame.requestId);
      bytes.set(frame.digest, 8);
      view.setUint32(40, frame.offset);
      view.setUint32(44, frame.length);
      break;
    case "data":
      writeDataHeader(view, frame.requestId, frame.offset);
      bytes.set(frame.payload, DATA_HEADER_BYTES);
      break;
    case "grant":
      view.setUint32(4, frame.windowBytes);
      view.setBigUint64(8, BigInt(frame.grantedBytes));
      break;
    case "cancel":
      view.setUint32(4, frame.requestId);
      break;
    case "refuse":
      view.setUint16(2, frame.code);
      view.setUint32(4, frame.requestId);
      break;
    case "receipt":
      view.setBigUint64(4, BigInt(frame.bytesTotal));
      bytes.set(frame.mac, 12);
      break;
    case "bye":
      view.setUint16(2, frame.code);
      break;
  }
  return bytes;
}

/** Writes the 12 bytes before a data frame's payload at the start of `view`, so that a block is read in place behind it. */
export function writeDataHeader(view: DataView, requestId: number, offset: number): void {
  view.setUint32(0, TYPE.data << 24);
  view.setUint32(4, requestId);
  view.setUint32(8, offset);
}

/**
 * Parses one data-channel message.
 *
 * @throws RemoteProtocolError `frame_too_large`, `frame_unknown` or `frame_malformed`
 */
export function decodeFrame(message: ArrayBuffer): Frame {
  if (message.byteLength > FRAME_BYTES_MAX) throw new RemoteProtocolError("frame_too_large");
  if (message.byteLength === 0) throw malformed();
  const view = new DataView(message);
  switch (view.getUint8(0)) {
    case TYPE.hello:
      return parseHello(message, view);
    case TYPE.holdings:
      return parseHoldings(view);
    case TYPE.request:
      return parseRequest(message, view);
    case TYPE.data:
      return parseData(message, view);
    case TYPE.grant:
      exactly(view, 16);
      return { kind: "grant", windowBytes: view.getUint32(4), grantedBytes: u53(view, 8) };
    case TYPE.cancel:
      exactly(view, 8);
      return { kind: "cancel", requestId: view.getUint32(4) };
    case TYPE.refuse:
      return parseRefuse(view);
    case TYPE.receipt:
      exactly(view, 44);
      return { kind: "receipt", bytesTotal: u53(view, 4), mac: new Uint8Array(message, 12, 32) };
    case TYPE.bye:
      exactly(view, 4);
      return { kind: "bye", code: view.getUint16(2) };
    default:
      throw new RemoteProtocolError("frame_unknown");
  }
}

function parseHello(message: ArrayBuffer, view: DataView): HelloFrame {
  exactly(view, 56);
  const role = view.getUint8(2);
  const frameBytesMax = view.getUint32(52);
  if (role !== ROLE_DOWNLOADER && role !== ROLE_DONOR) throw malformed();
  if (frameBytesMax < 1024 || frameBytesMax > FRAME_BYTES_MAX) throw malformed();
  return {
    kind: "hello",
    version: view.getUint8(1),
    role,
    matchId: new Uint8Array(message, 4, 16),
    proof: new Uint8Array(message, 20, 32),
    frameBytesMax,
  };
}

function parseHoldings(view: DataView): HoldingsFrame {
  atLeast(view, 4);
  const flags = view.getUint8(1);
  const count = view.getUint16(2);
  if (flags > 1 || count > RUNS_MAX || view.byteLength !== 4 + 8 * count) {
    throw malformed();
  }
  const runs: [number, number][] = [];
  let end = -1;
  for (let at = 4; at < view.byteLength; at += 8) {
    const start = view.getUint32(at);
    const length = view.getUint32(at + 4);
    if (start <= end || length === 0) throw malformed();
    end = start + length;
    runs.push([start, length]);
  }
  if (end > 2 ** 32) throw malformed();
  return { kind: "holdings", runs, more: flags === 1 };
}

function parseRequest(message: ArrayBuffer, view: DataView): RequestFrame {
  exactly(view, 48);
  const offset = view.getUint32(40);
  const length = view.getUint32(44);
  if (length === 0 || offset + length > SEGMENT_BYTES_MAX) {
    throw malformed();
  }
  return { kind: "request", requestId: view.getUint32(4), digest: new Uint8Array(message, 8, 32), offset, length };
}

function parseData(message: ArrayBuffer, view: DataView): DataFrame {
  atLeast(view, DATA_HEADER_BYTES + 1);
  const offset = view.getUint32(8);
  const payload = new Uint8Array(message, DATA_HEADER_BYTES);
  if (offset + payload.length > SEGMENT_BYTES_MAX) throw malformed();
  return { kind: "data", requestId: view.getUint32(4), offset, payload };
}

function parseRefuse(view: DataView): RefuseFrame {
  exactly(view, 8);
  const code = view.getUint16(2);
  if (!isRefusalCode(code)) throw malformed();
  return { kind: "refuse", code, requestId: view.getUint32(4) };
}

function isRefusalCode(code: number): code is RefusalCode {
  return Object.hasOwn(REFUSAL_CODES, code);
}

function u53(view: DataView, at: number): number {
  const value = Number(view.getBigUint64(at));
  if (value > Number.MAX_SAFE_INTEGER) throw malformed();
  return value;
}

function exactly(view: DataView, length: number): void {
  if (view.byteLength !== length) throw malformed();
}

function atLeast(view: DataView, length: number): void {
  if (view.byteLength < length) throw malformed();
}

function malformed(): RemoteProtocolError {
  return new RemoteProtocolError("frame_malformed");
}

function encodedLength(frame: Frame): number {
  switch (frame.kind) {
    case "hello":
      return 56;
    case "holdings":
      return 4 + 8 * frame.runs.length;
    case "request":
      return 48;
    case "data":
      return DATA_HEADER_BYTES + frame.payload.length;
    case "grant":
      return 16;
    case "cancel":
    case "refuse":
      return 8;
    case "receipt":
      return 44;
    case "bye":
      return 4;
  }
}

function allocate(length: number): { bytes: Uint8Array<ArrayBuffer>; view: DataView } {
  const bytes = new Uint8Array(length);
  return { bytes, view: new DataView(bytes.buffer) };
}

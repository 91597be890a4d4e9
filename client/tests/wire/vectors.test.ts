/** The wire's vectors, the same files that Python runs. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { decodeClientMessage, decodeCoordinatorMessage, decodeSignal } from "../../src/wire/decode.ts";
import { DistributeError } from "../../src/wire/errors.ts";
import { decodeFrame, encodeFrame, writeDataHeader, type Frame } from "../../src/wire/frames.ts";
import { fingerprintOf, receiptMac, ticketProof, type HmacSha256 } from "../../src/wire/proofs.ts";

interface FrameVectors {
  accept: { name: string; hex: string; frame: Record<string, unknown> }[];
  reject: { name: string; hex: string; code: string }[];
}

interface SessionVectors {
  accept: { name: string; from: "client" | "coordinator"; message: unknown }[];
  reject: { name: string; from: "client" | "coordinator"; text: string; code: string; repeat_to_bytes?: number }[];
}

interface ProofVectors {
  tickets: {
    name: string;
    secret: string;
    role: number;
    match_id: string;
    offer: string;
    answer: string;
    proof: string;
  }[];
  receipts: { name: string; secret: string; match_id: string; bytes_total: number; mac: string }[];
  no_fingerprint: { name: string; sdp: string }[];
}

const frames = read("frames") as FrameVectors; // as: our own file
const session = read("session") as SessionVectors; // as: our own file
const proofs = read("proofs") as ProofVectors; // as: our own file
const decoders = { client: decodeClientMessage, coordinator: decodeCoordinatorMessage };
const hmac: HmacSha256 = (key, message) => Promise.resolve(createHmac("sha256", key).update(message).digest());

for (const { name, hex, frame } of frames.accept) {
  test(`frame: ${name}`, () => {
    const decoded = decodeFrame(bytes(hex).buffer);
    assert.deepEqual(plain(decoded), frame);
    assert.equal(Buffer.from(encodeFrame(decoded)).toString("hex"), hex);
  });
}

for (const { name, hex, code } of frames.reject) {
  test(`no frame: ${name}`, () => {
    throwsCode(() => decodeFrame(bytes(hex).buffer), code);
  });
}

test("a frame above the limit is refused unread", () => {
  throwsCode(() => decodeFrame(new ArrayBuffer(262_145)), "frame_too_large");
});

test("a data header written in place is that of the encoder", () => {
  const inPlace = new Uint8Array(13);
  inPlace[12] = 97;
  writeDataHeader(new DataView(inPlace.buffer), 7, 65_536);
  assert.deepEqual(inPlace, encodeFrame({ kind: "data", requestId: 7, offset: 65_536, payload: Uint8Array.of(97) }));
});

for (const { name, from, message } of session.accept) {
  test(`message: ${name}`, () => {
    assert.deepEqual(decoders[from](JSON.stringify(message)), message);
  });
}

for (const vector of session.reject) {
  test(`no message: ${vector.name}`, () => {
    const { text, repeat_to_bytes: size } = vector;
    const long = size === undefined ? text : text.replace(/a{20}/, "a".repeat(20 + size - text.length));
    throwsCode(() => decoders[vector.from](long), vector.code);
  });
}

test("defaults are filled in and unknown fields dropped", () => {
  const offer = { kind: "candidate", candidate: "", since: 1 };
  assert.deepEqual(decodeSignal(offer), { kind: "candidate", candidate: "", sdp_mid: null, sdp_m_line_index: null });
});

for (const ticket of proofs.tickets) {
  test(`ticket proof: ${ticket.name}`, async () => {
    const [offerer, answerer] = [fingerprintOf(ticket.offer), fingerprintOf(ticket.answer)];
    assert.ok(offerer !== undefined && answerer !== undefined);
    const of = { role: ticket.role, matchId: bytes(ticket.match_id), offererFingerprint: offerer };
    const proof = await ticketProof(hmac, bytes(ticket.secret), { ...of, answererFingerprint: answerer });
    assert.equal(Buffer.from(proof).toString("hex"), ticket.proof);
  });
}

for (const receipt of proofs.receipts) {
  test(`receipt: ${receipt.name}`, async () => {
    const of = { matchId: bytes(receipt.match_id), bytesTotal: receipt.bytes_total };
    assert.equal(Buffer.from(await receiptMac(hmac, bytes(receipt.secret), of)).toString("hex"), receipt.mac);
  });
}

for (const { name, sdp } of proofs.no_fingerprint) {
  test(`no fingerprint: ${name}`, () => {
    assert.equal(fingerprintOf(sdp), undefined);
  });
}

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../../spec/vectors/${name}.json`, import.meta.url), "utf8"));
}

function bytes(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** A frame as the vectors write it: snake_case keys, bytes in hexadecimal. */
function plain(frame: Frame): Record<string, unknown> {
  const rename = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const value = (item: unknown): unknown => (item instanceof Uint8Array ? Buffer.from(item).toString("hex") : item);
  return Object.fromEntries(Object.entries(frame).map(([key, item]) => [rename(key), value(item)]));
}

function throwsCode(action: () => unknown, code: string): void {
  assert.throws(action, (error) => error instanceof DistributeError && error.code === code);
}

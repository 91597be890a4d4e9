/** NAT classes by what browsers put into their descriptions: `a=candidate` lines of Chromium, addresses of examples. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { natClassOf } from "../../src/core/nat-class.ts";

const HOST = "a=candidate:11 1 udp 2113937151 0b9c.local 38216 typ host generation 0 network-cost 999";

function srflx(foundation: string, address: string, port: number): string {
  return `a=candidate:${foundation} 1 udp 1677729535 ${address} ${String(port)} typ srflx raddr 0.0.0.0 rport 0 generation 0`;
}

function described(...candidates: readonly string[]): string {
  return ["v=0", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", HOST, ...candidates, "a=ice-ufrag:o2Pn", ""].join(
    "\r\n",
  );
}

test("seen alike by both ports, the mapping is the same for all", () => {
  assert.equal(natClassOf(described(srflx("7", "192.0.2.1", 38216))), "unrestricted");
});

test("seen under two ports, one socket has a mapping for each destination", () => {
  assert.equal(natClassOf(described(srflx("7", "192.0.2.1", 38216), srflx("7", "192.0.2.1", 38217))), "restricted");
});

test("two networks of their own addresses are two sockets", () => {
  const candidates = [srflx("7", "192.0.2.1", 38216), srflx("8", "198.51.100.1", 40000)];
  assert.equal(natClassOf(described(...candidates)), "unrestricted");
});

test("two ports of one address may be two networks behind one NAT: nothing is claimed", () => {
  const candidates = [srflx("7", "192.0.2.1", 38216), srflx("8", "192.0.2.1", 40000)];
  assert.equal(natClassOf(described(...candidates)), "unknown");
});

test("where no server answered nothing is claimed", () => {
  assert.equal(natClassOf(described()), "unknown");
});

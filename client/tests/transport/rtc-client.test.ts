/** What the worker's half of WebRTC tells the coordinator by itself. Connections are in peers.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RtcClient, type RtcClientPort } from "../../src/transport/rtc-client.ts";
import type { RtcReport } from "../../src/transport/rtc-messages.ts";
import type { ClientMessage } from "../../src/wire/messages.ts";

test("the NAT class is told when it is found to be another, and in every later session", () => {
  const port: RtcClientPort = { postMessage: () => undefined, onmessage: null };
  const said: ClientMessage[] = [];
  const say = (message: ClientMessage) => {
    said.push(message);
  };
  const client = new RtcClient(port);
  const gathered = (...ports: number[]) => {
    const sdp = ports.map((seen) => `a=candidate:7 1 udp 1 192.0.2.1 ${String(seen)} typ srflx\r\n`).join("");
    const data: RtcReport = { type: "gathered", connection: 1, sdp };
    port.onmessage?.({ data } as MessageEvent<RtcReport>); // as: only `data` is read
  };
  client.configure([], say);
  assert.equal(said.length, 0, "nothing is known yet");
  gathered(7, 8);
  gathered(9, 10);
  gathered(11);
  client.configure([], say);
  assert.deepEqual(said, [
    { type: "nat", nat: "restricted" },
    { type: "nat", nat: "unrestricted" },
    { type: "nat", nat: "unrestricted" },
  ]);
});

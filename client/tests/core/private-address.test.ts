import assert from "node:assert/strict";
import { test } from "node:test";
import { isPrivateHost } from "../../src/core/private-address.ts";

const PRIVATE = [
  "http://localhost/",
  "http://x.localhost/",
  "http://printer.local/",
  "http://127.0.0.1/",
  "http://127.200.3.4/",
  "http://2130706433/", // 127.0.0.1 as one number: the URL parser writes it out
  "http://0x7f.1/",
  "http://0.0.0.0/",
  "http://10.1.2.3/",
  "http://100.64.0.1/",
  "http://100.127.255.255/",
  "http://169.254.169.254/",
  "http://172.16.0.1/",
  "http://172.31.255.255/",
  "http://192.168.1.1/",
  "http://[::1]/",
  "http://[::]/",
  "http://[fe80::1]/",
  "http://[fd12:3456::1]/",
  "http://[::ffff:192.168.0.1]/",
  "http://[64:ff9b::10.0.0.1]/",
  "http://[fec0::1]/",
  "http://[ff02::1]/",
  "http://localhost./", // the root's dot
  "http://printer.local./",
  "http://127.0.0.1./",
  "http://198.19.0.1/",
  "http://224.0.0.1/",
  "http://255.255.255.255/",
];

const PUBLIC = [
  "http://example.org/",
  "http://localhost.example.org/",
  "http://9.255.255.255/",
  "http://11.0.0.1/",
  "http://100.63.255.255/",
  "http://100.128.0.0/",
  "http://172.15.0.1/",
  "http://172.32.0.1/",
  "http://192.169.0.1/",
  "http://[2001:db8::1]/",
  "http://[::ffff:8.8.8.8]/",
  "http://[64:ff9b::8.8.8.8]/",
  "http://example.org./",
  "http://223.255.255.255/",
];

for (const url of PRIVATE) {
  test(`${url} is private`, () => {
    assert.equal(isPrivateHost(new URL(url).hostname), true);
  });
}

for (const url of PUBLIC) {
  test(`${url} is public`, () => {
    assert.equal(isPrivateHost(new URL(url).hostname), false);
  });
}

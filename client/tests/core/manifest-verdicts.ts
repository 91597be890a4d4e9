/**
 * Says what TypeScript makes of manifest documents: one base64 document a line on stdin, one verdict a line on stdout.
 *
 * A verdict is the code of the error, or `accept` and the SHA-256 of the payload. `tests/integration/test_two_languages.py`
 * compares them with Python's. Arguments: now in seconds, then pinned keys.
 */

import { createInterface } from "node:readline";
import process from "node:process";

import { readDocument } from "../../src/core/manifest-document.ts";
import { verifyEnvelope } from "../../src/core/manifest.ts";
import { verifySegmentList } from "../../src/core/segment-list.ts";
import { manifestCrypto } from "../../src/storage/web-crypto.ts";
import { DistributeError } from "../../src/wire/errors.ts";

const [nowS, ...pins] = process.argv.slice(2);

for await (const line of createInterface(process.stdin)) {
  process.stdout.write(`${await verdict(Buffer.from(line, "base64"))}\n`);
}

async function verdict(data: Uint8Array): Promise<string> {
  try {
    const document = readDocument(data);
    const verified = await verifyEnvelope(document.envelope, { pins, nowS: Number(nowS), crypto: manifestCrypto });
    if (document.segments !== undefined) {
      await verifySegmentList(document.segments, verified.manifest, manifestCrypto.sha256);
    }
    return `accept ${verified.payloadSha256}`;
  } catch (error) {
    if (error instanceof DistributeError) return String(error.code);
    throw error;
  }
}

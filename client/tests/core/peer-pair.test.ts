/** Taker and giver back to back in memory, over lines that delay, reorder and repeat: what is asked for arrives. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex } from "../../src/core/hex.ts";
import { PeerGiver, type GiverAction } from "../../src/core/peer-giver.ts";
import { PeerTaker, type TakerAction } from "../../src/core/peer-taker.ts";
import { decodeFrame, encodeFrame, type Frame } from "../../src/wire/frames.ts";
import { RUNS_MAX } from "../../src/wire/messages.ts";

const MATCH = new Uint8Array(16).fill(7);
const TAKER_PROOF = new Uint8Array(32).fill(1);
const GIVER_PROOF = new Uint8Array(32).fill(2);
const DIGEST = "ab".repeat(32);
const SEGMENT_BYTES = 1_048_576;
const segment = Uint8Array.from({ length: SEGMENT_BYTES }, (_, index) => (index * 31) >> 3);

interface Line {
  readonly delayUs: number;
  readonly perFrameUs: number;
  readonly frameBytesMax?: number;
  readonly runs?: readonly (readonly [number, number])[];
}

/** Runs both ends in virtual time until nothing is left to happen, or for a virtual minute. */
class Pair {
  readonly taker = new PeerTaker({ matchId: MATCH, ownProof: TAKER_PROOF, peerProof: GIVER_PROOF });
  readonly giver: PeerGiver;
  readonly line: Line;
  readonly received = new Uint8Array(SEGMENT_BYTES);
  readonly completed: number[] = [];
  readonly holdings: (readonly [number, number])[][] = [];
  nowUs = 0;
  onWayMax = 0;
  #queue: { atUs: number; order: number; run: () => void }[] = [];
  #order = 0;
  #freeUs = 0;
  #deliveredBytes = 0;

  constructor(line: Line) {
    this.line = line;
    this.giver = new PeerGiver({
      matchId: MATCH,
      ownProof: GIVER_PROOF,
      peerProof: TAKER_PROOF,
      ticketExpiresUs: 60_000_000,
      sizeOf: (digest) => (digest === DIGEST ? SEGMENT_BYTES : undefined),
      holdings: line.runs ?? [[0, 1]],
      frameBytesMax: line.frameBytesMax ?? 65_536,
    });
    this.give(this.giver.opened(0));
    this.take(this.taker.opened(0));
    this.run();
  }

  request(offset: number, length: number): void {
    this.take(this.taker.request(fromHex(DIGEST), offset, length, this.nowUs).actions);
  }

  run(): void {
    for (let next = this.#queue.shift(); next !== undefined && this.nowUs < 60_000_000; next = this.#queue.shift()) {
      this.nowUs = Math.max(this.nowUs, next.atUs);
      next.run();
      this.#pump();
    }
  }

  take(actions: readonly TakerAction[]): void {
    for (const action of actions) {
      if (action.type === "send") this.#post(action.frame, (frame) => this.give(this.giver.receive(frame, this.nowUs)));
      else if (action.type === "completed") this.completed.push(action.requestId);
      else if (action.type === "holdings") this.holdings.push([...action.runs]);
      else if (action.type === "deliver") {
        this.received.set(action.payload, action.offset);
        this.#deliveredBytes += action.payload.length;
        this.take(this.taker.processed(action.payload.length, this.nowUs));
      } else if (action.type === "close") assert.fail(`the taker closed: ${action.code}`);
    }
  }

  give(actions: readonly GiverAction[]): void {
    for (const action of actions) {
      if (action.type === "send") this.#post(action.frame, (frame) => this.take(this.taker.receive(frame, this.nowUs)));
      else if (action.type === "close") assert.fail(`the giver closed: ${action.code}`);
    }
  }

  #pump(): void {
    for (let chunk = this.giver.nextChunk(); chunk !== undefined; chunk = this.giver.nextChunk()) {
      const payload = segment.subarray(chunk.offset, chunk.offset + chunk.length);
      this.giver.sent(chunk, this.nowUs);
      this.onWayMax = Math.max(this.onWayMax, this.giver.sentBytes - this.#deliveredBytes);
      this.#freeUs = Math.max(this.#freeUs, this.nowUs) + this.line.perFrameUs;
      const frame: Frame = { kind: "data", requestId: chunk.requestId, offset: chunk.offset, payload };
      this.#post(frame, (back) => this.take(this.taker.receive(back, this.nowUs)), this.#freeUs);
    }
  }

  #post(frame: Frame, run: (frame: Frame) => void, fromUs = this.nowUs): void {
    const bytes = encodeFrame(frame);
    this.#order += 1;
    this.#queue.push({
      atUs: fromUs + this.line.delayUs,
      order: this.#order,
      run: () => run(decodeFrame(bytes.buffer)),
    });
    this.#queue.sort((left, right) => left.atUs - right.atUs || left.order - right.order);
  }
}

for (const [name, line] of Object.entries({
  "a short line": { delayUs: 500, perFrameUs: 1_500 },
  "a long fat line": { delayUs: 50_000, perFrameUs: 300 },
  "a slow donor": { delayUs: 20_000, perFrameUs: 60_000, frameBytesMax: 1_024 * 4 },
})) {
  test(`a whole segment comes over ${name}, bit by bit under the window`, () => {
    const pair = new Pair(line);
    pair.request(0, SEGMENT_BYTES);
    pair.run();
    assert.deepEqual(pair.completed, [1]);
    assert.deepEqual(pair.received, segment);
    assert.ok(pair.onWayMax <= Math.max(65_536, pair.taker.windowBytes), `${pair.onWayMax} bytes were on the way`);
  });
}

test("the window stays small on a short line until it is warm, and grows at once on a long fat one", () => {
  const [short, long] = [new Pair({ delayUs: 500, perFrameUs: 1_500 }), new Pair({ delayUs: 50_000, perFrameUs: 300 })];
  for (const pair of [short, long]) {
    pair.request(0, SEGMENT_BYTES);
    pair.run();
  }
  assert.ok(short.taker.windowBytes <= 65_536, `${short.taker.windowBytes}`);
  assert.ok(long.taker.windowBytes > 500_000, `${long.taker.windowBytes}`);
  for (let round = 0; round < 4; round += 1) short.request(0, SEGMENT_BYTES);
  short.run();
  assert.ok(short.taker.windowBytes > 500_000, `${short.taker.windowBytes}`);
});

test("many requests of odd lengths all end, however the grants fall", () => {
  const pair = new Pair({ delayUs: 3_000, perFrameUs: 200 });
  let offset = 0;
  for (const length of [1, 16_371, 16_372, 16_373, 65_535, 65_536, 65_537, 100_000, 3, 200_000]) {
    pair.request(offset, length);
    offset += length;
  }
  pair.run();
  assert.equal(pair.completed.length, 10);
  assert.deepEqual(pair.received.subarray(0, offset), segment.subarray(0, offset));
});

test("a statement of more runs than a frame takes arrives as one", () => {
  const runs = Array.from({ length: RUNS_MAX + 1 }, (_, index): readonly [number, number] => [2 * index, 1]);
  assert.deepEqual(new Pair({ delayUs: 10, perFrameUs: 10, runs }).holdings, [runs]);
});

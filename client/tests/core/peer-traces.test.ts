/** Runs spec/vectors/peer: the same traces as tests/unit/core/test_peer_traces.py. The README there has the format. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fromHex, toHex } from "../../src/core/hex.ts";
import { PeerGiver, type GiverAction } from "../../src/core/peer-giver.ts";
import { PeerTaker, type TakerAction } from "../../src/core/peer-taker.ts";
import { decodeFrame, encodeFrame, type BYE_CODES, type RefusalCode } from "../../src/wire/frames.ts";
import type { ErrorCode } from "../../src/wire/messages.ts";

interface Step {
  readonly at_us: number;
  readonly do: string;
  readonly frame: string;
  readonly request_id: number;
  readonly digest: string;
  readonly offset: number;
  readonly length: number;
  readonly bytes: number;
  readonly code: unknown;
  readonly bye: keyof typeof BYE_CODES;
  readonly runs: readonly (readonly [number, number])[];
  readonly sent?: boolean;
  readonly times?: number;
  readonly chunk?: object | null;
  readonly expect?: readonly object[];
  readonly window_bytes?: number;
  readonly deadline_us?: number | null;
}

interface Trace {
  readonly why: string;
  readonly machine: "taker" | "giver";
  readonly config: {
    readonly match_id: string;
    readonly own_proof: string;
    readonly peer_proof: string;
    readonly ticket_expires_us: number;
    readonly frame_bytes_max: number;
    readonly sizes: Readonly<Record<string, number>>;
    readonly holdings: readonly (readonly [number, number])[];
  };
  readonly steps: readonly Step[];
}

type Action = TakerAction | GiverAction;

const folder = new URL("../../../spec/vectors/peer/", import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith(".json"));

test("there are traces of both ends", () => {
  assert.ok(files.some((name) => name.startsWith("taker-")));
  assert.ok(files.some((name) => name.startsWith("giver-")));
});

for (const name of files) {
  const trace = JSON.parse(readFileSync(new URL(name, folder), "utf8")) as Trace; // as: our own file
  test(`${name}: ${trace.why}`, () => {
    const config = {
      matchId: fromHex(trace.config.match_id),
      ownProof: fromHex(trace.config.own_proof),
      peerProof: fromHex(trace.config.peer_proof),
    };
    const machine =
      trace.machine === "taker"
        ? new PeerTaker(config)
        : new PeerGiver({
            ...config,
            ticketExpiresUs: trace.config.ticket_expires_us,
            frameBytesMax: trace.config.frame_bytes_max,
            holdings: trace.config.holdings,
            sizeOf: (digest) => trace.config.sizes[digest],
          });
    trace.steps.forEach((step, index) => {
      const where = `step ${index} (${step.do})`;
      for (let time = 0; time < (step.times ?? 1); time += 1) {
        assert.deepEqual(perform(machine, step).map(shown), step.expect ?? [], where);
      }
      if (step.window_bytes !== undefined && machine instanceof PeerTaker) {
        assert.equal(machine.windowBytes, step.window_bytes, where);
      }
      if (step.deadline_us !== undefined) assert.equal(machine.nextDeadlineUs() ?? null, step.deadline_us, where);
    });
  });
}

function perform(machine: PeerTaker | PeerGiver, step: Step): readonly Action[] {
  const nowUs = step.at_us;
  switch (step.do) {
    case "opened":
      return machine.opened(nowUs);
    case "tick":
      return machine.tick(nowUs);
    case "fail":
      return machine.fail(step.code as ErrorCode); // as: our own file
    case "receive":
      return machine.receive(decodeFrame(fromHex(step.frame).buffer), nowUs);
    case "receive_data": {
      const payload = new Uint8Array(step.length);
      return machine.receive({ kind: "data", requestId: step.request_id, offset: step.offset, payload }, nowUs);
    }
    default:
      return machine instanceof PeerTaker ? performTaker(machine, step) : performGiver(machine, step);
  }
}

function performTaker(taker: PeerTaker, step: Step): readonly Action[] {
  switch (step.do) {
    case "request":
      return taker.request(fromHex(step.digest), step.offset, step.length, step.at_us).actions;
    case "repeat":
      return taker.repeat(step.request_id);
    case "cancel":
      return taker.cancel(step.request_id, step.at_us);
    case "processed":
      return taker.processed(step.bytes, step.at_us);
    case "verified":
      return taker.verified(step.bytes, step.at_us);
    case "leave":
      return taker.leave();
    default:
      throw new Error(`unknown step ${step.do}`);
  }
}

function performGiver(giver: PeerGiver, step: Step): readonly Action[] {
  switch (step.do) {
    case "leave":
      return giver.leave(step.bye);
    case "set_holdings":
      return giver.setHoldings(step.runs);
    case "withdraw":
      return giver.withdraw(step.request_id, step.code as RefusalCode); // as: our own file
    case "set_frame_bytes_max":
      giver.setFrameBytesMax(step.bytes);
      return [];
    case "chunk": {
      const chunk = giver.nextChunk();
      const { requestId, ...rest } = chunk ?? { requestId: 0 };
      assert.deepEqual(chunk === undefined ? null : { request_id: requestId, ...rest }, step.chunk);
      if (chunk !== undefined && step.sent === true) giver.sent(chunk, step.at_us);
      return [];
    }
    default:
      throw new Error(`unknown step ${step.do}`);
  }
}

function shown(action: Action): object {
  switch (action.type) {
    case "send":
      return { send: toHex(encodeFrame(action.frame)) };
    case "sign_receipt":
      return { sign_receipt: action.bytesTotal };
    case "greeted":
    case "ready":
      return { [action.type]: true };
    case "holdings":
      return { holdings: action.runs };
    case "deliver":
      return { deliver: [action.requestId, action.offset, action.payload.length] };
    case "completed":
      return { completed: action.requestId };
    case "refused":
      return { refused: [action.requestId, action.code] };
    case "receipt":
      return { receipt: [action.bytesTotal, toHex(action.mac)] };
    case "close":
      return { close: [action.code, action.byPeer] };
  }
}

"""Runs spec/vectors/peer: the same traces as client/tests/core/peer-traces.test.ts. The README there has the format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from distribute_io.core import peer_giver, peer_taker
from distribute_io.core.peer_giver import GiverAction, GiverConfig, PeerGiver
from distribute_io.core.peer_taker import PeerTaker, TakerAction, TakerConfig
from distribute_io.wire.frames import DataFrame, decode, encode

FOLDER = Path(__file__).parents[3] / "spec" / "vectors" / "peer"
TRACES = sorted(path.name for path in FOLDER.glob("*.json"))

Step = dict[str, Any]  # Any: JSON of our own files


def test_there_are_traces_of_both_ends() -> None:
    assert any(name.startswith("taker-") for name in TRACES)
    assert any(name.startswith("giver-") for name in TRACES)


@pytest.mark.parametrize("name", TRACES)
def test_trace(name: str) -> None:
    trace = json.loads((FOLDER / name).read_text())
    machine = new_taker(trace["config"]) if trace["machine"] == "taker" else new_giver(trace["config"])
    for number, step in enumerate(trace["steps"]):
        where = f"step {number} ({step['do']})"
        for _ in range(step.get("times", 1)):
            if isinstance(machine, PeerTaker):
                shown = [shown_by_taker(action) for action in perform_taker(machine, step)]
                if "window_bytes" in step:
                    assert machine.window_bytes == step["window_bytes"], where
            else:
                shown = [shown_by_giver(action) for action in perform_giver(machine, step)]
            assert shown == step.get("expect", []), where
        if "deadline_us" in step:
            assert machine.next_deadline_us() == step["deadline_us"], where


def new_taker(config: Step) -> PeerTaker:
    return PeerTaker(
        TakerConfig(
            match_id=bytes.fromhex(config["match_id"]),
            own_proof=bytes.fromhex(config["own_proof"]),
            peer_proof=bytes.fromhex(config["peer_proof"]),
        )
    )


def new_giver(config: Step) -> PeerGiver:
    return PeerGiver(
        GiverConfig(
            match_id=bytes.fromhex(config["match_id"]),
            own_proof=bytes.fromhex(config["own_proof"]),
            peer_proof=bytes.fromhex(config["peer_proof"]),
            ticket_expires_us=config["ticket_expires_us"],
            frame_bytes_max=config["frame_bytes_max"],
            holdings=runs_of(config["holdings"]),
            size_of=lambda digest: config["sizes"].get(digest.hex()),
        )
    )


def runs_of(pairs: list[list[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((start, count) for start, count in pairs)


def received(step: Step) -> Any:  # Any: one of the frames
    if step["do"] == "receive":
        return decode(bytes.fromhex(step["frame"]))
    return DataFrame(step["request_id"], step["offset"], memoryview(bytes(step["length"])))


def perform_taker(taker: PeerTaker, step: Step) -> list[TakerAction]:
    now_us = step["at_us"]
    match step["do"]:
        case "opened":
            return taker.opened(now_us)
        case "tick":
            return taker.tick(now_us)
        case "fail":
            return taker.fail(step["code"])
        case "receive" | "receive_data":
            return taker.receive(received(step), now_us)
        case "request":
            return taker.request(bytes.fromhex(step["digest"]), step["offset"], step["length"], now_us)[1]
        case "repeat":
            return taker.repeat(step["request_id"])
        case "cancel":
            return taker.cancel(step["request_id"], now_us)
        case "processed":
            return taker.processed(step["bytes"], now_us)
        case "verified":
            return taker.verified(step["bytes"], now_us)
        case "leave":
            return taker.leave()
        case unknown:
            raise AssertionError(f"unknown step {unknown}")


def perform_giver(giver: PeerGiver, step: Step) -> list[GiverAction]:
    now_us = step["at_us"]
    match step["do"]:
        case "opened":
            return giver.opened(now_us)
        case "tick":
            return giver.tick(now_us)
        case "fail":
            return giver.fail(step["code"])
        case "receive" | "receive_data":
            return giver.receive(received(step), now_us)
        case "leave":
            return giver.leave(step["bye"])
        case "set_holdings":
            return giver.set_holdings(runs_of(step["runs"]))
        case "withdraw":
            return giver.withdraw(step["request_id"], step["code"])
        case "set_frame_bytes_max":
            giver.set_frame_bytes_max(step["bytes"])
            return []
        case "chunk":
            chunk = giver.next_chunk()
            shown = chunk and {
                "request_id": chunk.request_id,
                "digest": chunk.digest.hex(),
                "offset": chunk.offset,
                "length": chunk.length,
            }
            assert shown == step["chunk"]
            if chunk is not None and step.get("sent"):
                giver.sent(chunk, now_us)
            return []
        case unknown:
            raise AssertionError(f"unknown step {unknown}")


def shown_by_taker(action: TakerAction) -> Step:
    match action:
        case peer_taker.Send(frame):
            return {"send": encode(frame).hex()}
        case peer_taker.SignReceipt(bytes_total):
            return {"sign_receipt": bytes_total}
        case peer_taker.Greeted():
            return {"greeted": True}
        case peer_taker.Holdings(runs):
            return {"holdings": [list(run) for run in runs]}
        case peer_taker.Deliver(request_id, offset, payload):
            return {"deliver": [request_id, offset, len(payload)]}
        case peer_taker.Completed(request_id):
            return {"completed": request_id}
        case peer_taker.Refused(request_id, code):
            return {"refused": [request_id, code]}
        case peer_taker.Close(code, by_peer):
            return {"close": [code, by_peer]}


def shown_by_giver(action: GiverAction) -> Step:
    match action:
        case peer_giver.Send(frame):
            return {"send": encode(frame).hex()}
        case peer_giver.Greeted():
            return {"greeted": True}
        case peer_giver.Ready():
            return {"ready": True}
        case peer_giver.ForwardReceipt(bytes_total, mac):
            return {"receipt": [bytes_total, mac.hex()]}
        case peer_giver.Close(code, by_peer):
            return {"close": [code, by_peer]}

"""Ticket proofs and receipt MACs against the vectors that TypeScript runs too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from distribute_io.wire import proofs

VECTORS = json.loads((Path(__file__).parents[3] / "spec/vectors/proofs.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["tickets"], ids=lambda vector: vector["name"])
def test_ticket_proof_is_over_both_fingerprints(vector: dict[str, Any]) -> None:
    offerer, answerer = proofs.fingerprint_of(vector["offer"]), proofs.fingerprint_of(vector["answer"])
    assert offerer is not None
    assert answerer is not None
    proof = proofs.ticket_proof(
        bytes.fromhex(vector["secret"]),
        role=vector["role"],
        match_id=bytes.fromhex(vector["match_id"]),
        offerer_fingerprint=offerer,
        answerer_fingerprint=answerer,
    )
    assert proof.hex() == vector["proof"]


@pytest.mark.parametrize("vector", VECTORS["receipts"], ids=lambda vector: vector["name"])
def test_receipt_mac_covers_match_and_amount(vector: dict[str, Any]) -> None:
    mac = proofs.receipt_mac(
        bytes.fromhex(vector["secret"]), match_id=bytes.fromhex(vector["match_id"]), bytes_total=vector["bytes_total"]
    )
    assert mac.hex() == vector["mac"]


@pytest.mark.parametrize("vector", VECTORS["no_fingerprint"], ids=lambda vector: vector["name"])
def test_other_lines_are_no_fingerprint(vector: dict[str, Any]) -> None:
    assert proofs.fingerprint_of(vector["sdp"]) is None

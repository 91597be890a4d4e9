from __future__ import annotations

import pytest

from distribute_io.core.scheduler.backlog import Backlog, open_bytes
from distribute_io.core.scheduler.coverage import Piece
from tests.unit.core.scheduler.builders import SEGMENT, Stage


def backlog(stage: Stage) -> Backlog:
    outlook = stage.outlook()
    covered = [piece for piece in outlook.pieces if piece.holders]
    return Backlog(stage.ledger, outlook.ready, outlook.peers, covered, stage.now_us)


def about(size_bytes: int) -> object:
    """Times are whole microseconds: a few bytes come from the rounding."""
    return pytest.approx(size_bytes, abs=64)


def test_what_a_peer_does_not_manage_until_the_common_end_is_excess() -> None:
    stage = Stage(16)
    stage.source(rate=10_000_000)
    stage.source(rate=10_000_000, kind="peer", holdings=[(0, 16)])
    assert backlog(stage).excess_bytes(Piece(1, 0, 16)) == about(8 * SEGMENT)


def test_what_a_peer_is_asked_for_already_counts_as_its_work() -> None:
    stage = Stage(16)
    stage.source(rate=10_000_000)
    peer = stage.source(rate=10_000_000, kind="peer", holdings=[(0, 16)])
    stage.request(peer, 0, 4 * SEGMENT)
    assert backlog(stage).excess_bytes(Piece(1, 0, 16)) == about(8 * SEGMENT)


def test_work_of_a_peer_is_spread_over_its_pieces() -> None:
    stage = Stage(16)
    stage.source(rate=10_000_000)
    stage.source(rate=20_000_000, kind="peer", holdings=[(0, 4), (8, 16)])
    stage.request(stage.source(rate=10_000_000), 4 * SEGMENT, 8 * SEGMENT)
    tested = backlog(stage)
    assert tested.excess_bytes(Piece(1, 0, 4)) == about(4 * SEGMENT // 3)
    assert tested.excess_bytes(Piece(1, 8, 16)) == about(8 * SEGMENT // 3)


def test_peers_of_unknown_rate_count_as_the_slowest_known() -> None:
    stage = Stage(12)
    stage.source(rate=1_000_000)
    stage.source(rate=500_000)
    stage.source(kind="peer", holdings=[(0, 12)])
    assert backlog(stage).excess_bytes(Piece(1, 0, 12)) == about(9 * SEGMENT)


def test_peers_of_unknown_rate_count_for_little_beside_fast_mirrors() -> None:
    stage = Stage(12)
    stage.source(rate=11 * SEGMENT)
    stage.source(kind="peer", holdings=[(0, 12)])
    assert backlog(stage).excess_bytes(Piece(1, 0, 12)) == about(11 * SEGMENT)


def test_peers_manage_all_while_no_rate_is_known() -> None:
    alone = Stage(12)
    alone.source(kind="peer")
    assert backlog(alone).excess_bytes(Piece(1, 0, 12)) == 0


def test_a_piece_without_open_bytes_has_no_excess() -> None:
    stage = Stage(8)
    stage.source(kind="peer", holdings=[(0, 4)])
    stage.request(stage.source(rate=10_000_000), 0, 4 * SEGMENT)
    tested = backlog(stage)
    assert tested.excess_bytes(Piece(1, 0, 4)) == 0
    assert tested.bytes_per_holder(Piece(1, 0, 4)) == 0


def test_open_bytes_are_counted_in_the_first_runs_only() -> None:
    stage = Stage(300)
    for index in range(0, 300, 2):
        stage.ledger.verify(index)
    assert open_bytes(stage.ledger, Piece(1, 0, 300)) == 64 * SEGMENT
    assert open_bytes(stage.ledger, Piece(1, 0, 10)) == 5 * SEGMENT

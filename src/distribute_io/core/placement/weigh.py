"""Why a donor holds what it holds: what each of its runs is expected to serve, as the planner sees it now."""

from __future__ import annotations

import numpy as np

from distribute_io.core.placement.board import Board
from distribute_io.core.placement.curves import marginal_share
from distribute_io.core.placement.model import Policy, Reason, Snapshot
from distribute_io.core.placement.outlook import Outlook
from distribute_io.core.placement.planner import file_weights
from distribute_io.core.placement.readings import DonorDemand, Held, Readings
from distribute_io.core.placement.rows import Rows
from distribute_io.ids import SessionId


def weigh(snapshot: Snapshot, policy: Policy, session_id: SessionId, *, limit: int) -> tuple[Reason, ...]:
    """The runs that a donor holds or is fetching, most useful first, at most `limit` of them.

    Raises:
        KeyError: when the snapshot has no such donor.
    """
    places = {donor.session_id: place for place, donor in enumerate(snapshot.donors)}
    place = places[session_id]
    rows = Rows(snapshot.files, policy)
    board = Board(snapshot, policy, rows)
    outlook = Outlook.of(snapshot.demand, rows, board.region, file_weights(rows, board, policy), ahead_s=policy.ahead_s)
    held = board.lift(place)
    stay_s = min(snapshot.donors[place].stay_left_s, policy.horizon_s)
    return reasons_of(board, held, outlook.during(stay_s, held.region), limit=limit)


def reasons_of(board: Readings, held: Held, expected: DonorDemand, *, limit: int) -> tuple[Reason, ...]:
    """The same of a lifted donor, on any board, with what will be asked for while it stays."""
    rows = board.rows
    worth = board.worth(held, expected)
    at_once, on_average = board.loads(held, held.rows, held.shares)
    served = worth * marginal_share(at_once + on_average, board.policy.busy_sharpness)[rows.file]
    order = held.rows[np.argsort(-served[held.rows], kind="stable")][:limit]
    return tuple(
        Reason(
            rows.files[int(rows.file[row])].file_id,
            *rows.range_of(int(row)),
            expected_serves=round(float(served[row]), 3),
            copies=round(float(board.copies[row]), 3),
        )
        for row in order
    )

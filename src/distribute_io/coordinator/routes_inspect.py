"""What the coordinator knows and why it decided so, for its operator: a token that covers all causes is needed.

Rules:

1. Nothing is kept for this: an answer is a plan or a choice made anew, with nothing sent to anybody.
2. No address and no finer place than a coarse region is told.
"""

from __future__ import annotations

from typing import Final, get_args

from aiohttp import web
from msgspec import Struct

from distribute_io.coordinator.bearer import ANY, authenticate
from distribute_io.coordinator.candidates import Candidates
from distribute_io.coordinator.donor_desk import DonorDesk
from distribute_io.coordinator.routes_api import json_response
from distribute_io.coordinator.session import Session
from distribute_io.coordinator.shapes import Shapes
from distribute_io.core.demand.regions import coarse
from distribute_io.core.placement.model import DonorView, Reason, Rejection
from distribute_io.errors import RefusedError
from distribute_io.ids import FileId, SessionId
from distribute_io.stores.catalogue import Catalogue
from distribute_io.wire.session import NatClass

SESSIONS_TOLD_MAX: Final = 1_000


class DonorSummary(Struct, frozen=True, kw_only=True):
    """A donor in the list."""

    session_id: SessionId
    region: str
    nat: NatClass
    storage_bytes: int
    up_bytes_per_s: int
    stay_left_s: float
    """How much longer it is expected to stay."""
    files_held: int


class DonorReasons(Struct, frozen=True, kw_only=True):
    """Why a donor holds what it holds, and what a plan made now would change."""

    donor: DonorSummary
    holds: tuple[Reason, ...]
    would_fetch: tuple[Reason, ...]
    rejected: tuple[Rejection, ...]


class DownloaderSummary(Struct, frozen=True, kw_only=True):
    """A session that asked for files."""

    session_id: SessionId
    region: str
    nat: NatClass
    files: tuple[FileId, ...]
    """What it asked for since it came."""


class Downloaders(Struct, frozen=True):
    """Who asked for files."""

    downloaders: list[DownloaderSummary]
    more: bool
    """Whether there are more than are told of."""


class InspectApi:
    """`GET /api/v1/inspect`."""

    def __init__(self, catalogue: Catalogue, donors: DonorDesk, candidates: Candidates, shapes: Shapes) -> None:
        self._catalogue = catalogue
        self._donors = donors
        self._candidates = candidates
        self._shapes = shapes

    def routes(self) -> list[web.RouteDef]:
        """Its one route."""
        return [web.get("/api/v1/inspect", self._inspect)]

    async def _inspect(self, request: web.Request) -> web.Response:
        token = await authenticate(request, self._catalogue)
        if ANY not in token.causes:
            raise RefusedError("token_scope", "Only a token that covers all causes may look into the coordinator.")
        donor, file_id = request.query.get("donor", ""), request.query.get("file", "")
        downloader = request.query.get("downloader", "")
        if donor:
            return json_response(await self._reasons(SessionId(donor)))
        if file_id:
            shape = self._shapes.get(FileId(file_id))
            if shape is None:
                raise RefusedError("unknown_file", "The coordinator knows no such file.")
            if downloader:
                return json_response(await self._candidates.verdicts_of(SessionId(downloader), shape))
            nat: NatClass = next((kind for kind in get_args(NatClass) if kind == request.query.get("nat")), "unknown")
            region = request.query.get("region", "")
            return json_response(await self._candidates.verdicts_there(shape, nat=nat, region=region))
        if "downloaders" in request.query:
            asked = [_downloader(session) for session in self._candidates.downloaders(SESSIONS_TOLD_MAX + 1)]
            return json_response(Downloaders(asked[:SESSIONS_TOLD_MAX], len(asked) > SESSIONS_TOLD_MAX))
        return json_response([_summary(view) for view in await self._donors.some_donors(SESSIONS_TOLD_MAX)])

    async def _reasons(self, session_id: SessionId) -> DonorReasons:
        view, told = await self._donors.explain(session_id)
        return DonorReasons(
            donor=_summary(view), holds=told.holds, would_fetch=told.would_fetch, rejected=told.rejected
        )


def _downloader(session: Session) -> DownloaderSummary:
    return DownloaderSummary(
        session_id=session.session_id,
        region=coarse(session.region),
        nat=session.nat,
        files=tuple(sorted(session.asked)),
    )


def _summary(view: DonorView) -> DonorSummary:
    return DonorSummary(
        session_id=view.session_id,
        region=coarse(view.region),
        nat=view.nat,
        storage_bytes=view.storage_bytes,
        up_bytes_per_s=view.up_bytes_per_s,
        stay_left_s=round(view.stay_left_s),
        files_held=len(view.holdings),
    )

"""The donor's serving, whole: what a downloader may cost it, whose turn it is, what a withdrawal ends."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from pathlib import Path

import pytest

from distribute_io.core.allowance import AllowanceLimits, DeviceState
from distribute_io.donor import events as e
from distribute_io.donor.filling import KnownFile
from distribute_io.donor.kept_allowance import KeptAllowance
from distribute_io.errors import SourceError
from distribute_io.ids import FileId
from distribute_io.wire.frames import ByeFrame, CancelFrame, GrantFrame, HoldingsFrame, ReceiptFrame, RefuseFrame
from distribute_io.wire.session import Assign, FileRuns, Holdings, MatchReport, Receipt, Want, Withdrawn
from tests.harness.publishing import publish
from tests.unit.donor.agent_scene import FILE, PATIENCE_S, SEGMENT_BYTES, HandTaker, donor

BYE_FLOOD = 5


def has_or_is_gone(taker: HandTaker, size_bytes: int) -> bool:
    return taker.received_bytes == size_bytes or taker.closed is not None


def test_a_downloader_that_takes_the_same_again_and_again_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with donor(tmp_path, monkeypatch, held=4) as scene:
            taker = await scene.met(1)
            most = 2 * 4 * SEGMENT_BYTES + 2**22
            for request_id in range(1, 1000):
                taker.ask(request_id, request_id % 4)
                await scene.until(partial(has_or_is_gone, taker, request_id * SEGMENT_BYTES))
                if taker.closed is not None:
                    break
            assert taker.received_bytes == most
            assert taker.heard(ByeFrame) == [ByeFrame(BYE_FLOOD)]
            reports = [(report.outcome, report.code) for report in scene.said(MatchReport)]
            assert reports == [("open", None), ("closed", "flood")]

    asyncio.run(play())


def test_a_downloader_that_asks_for_what_is_not_there_without_end_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with donor(tmp_path, monkeypatch, held=1) as scene:
            taker = await scene.met(1)
            for request_id in range(1, 3_000):
                taker.ask(request_id, 99)
            await scene.until(lambda: taker.closed)
            assert len(taker.heard(RefuseFrame)) < 2_999, "1,024 and 64 a second"
            assert scene.said(MatchReport)[-1].code == "flood"

    asyncio.run(play())


def test_receipts_without_end_are_forwarded_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        async with donor(tmp_path, monkeypatch, held=1) as scene:
            taker = await scene.met(1)
            taker.ask(1, 0)
            await scene.until(lambda: taker.received_bytes == SEGMENT_BYTES)
            for total in range(1, 501):
                taker.link.send(ReceiptFrame(total, bytes(32)))
            taker.link.send(ByeFrame(0))
            await scene.until(lambda: len(scene.said(MatchReport)) == 2)
            receipts = [receipt.bytes_total for receipt in scene.said(Receipt)]
            assert receipts[-1] == 500, "the last one is told before the end is"
            assert len(receipts) <= 3

    asyncio.run(play())


def test_an_honest_download_in_the_smallest_ranges_is_no_flood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        async with donor(tmp_path, monkeypatch, held=16) as scene:
            taker = await scene.met(1)
            granted = 2**40
            for request_id in range(64):
                index, part = divmod(request_id, 4)
                taker.ask(request_id + 1, index, part * 65_536, 65_536)
                for _ in range(4):  # a grant for each frame of the smallest window
                    granted += 16_384
                    taker.link.send(GrantFrame(window_bytes=65_536, granted_bytes=granted))
                taker.link.send(ReceiptFrame(request_id * 65_536, bytes(32)))
                await scene.until(partial(has_or_is_gone, taker, (request_id + 1) * 65_536))
            assert taker.closed is None

    asyncio.run(play())


def test_what_a_downloader_says_of_its_donor_is_no_complaint_of_the_donor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with donor(tmp_path, monkeypatch, held=1) as scene:
            taker = await scene.met(1)
            taker.link.send(ByeFrame(4))
            await scene.until(lambda: len(scene.said(MatchReport)) == 2)
            assert scene.said(MatchReport)[-1].code == "peer_closed"

    asyncio.run(play())


def test_downloaders_get_the_same_bytes_whatever_their_frames_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with donor(tmp_path, monkeypatch, held=8, up_bytes_per_s=4_000_000) as scene:
            takers = [scene.meet(1, frame_bytes_max=1_024), scene.meet(2)]
            await scene.until(lambda: all(taker.heard(HoldingsFrame) for taker in takers))
            for taker in takers:
                for index in range(8):
                    taker.ask(index + 1, index)
            await scene.until(lambda: sum(taker.received_bytes for taker in takers) > 1_000_000)
            small, large = (taker.received_bytes for taker in takers)
            assert abs(small - large) <= 2 * 65_536, f"{small} and {large}"

    asyncio.run(play())


def test_a_withdrawn_file_is_erased_and_nothing_of_it_is_given_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with donor(tmp_path, monkeypatch, held=8, up_bytes_per_s=1_000_000) as scene:
            taker = await scene.met(1)
            for index in range(8):
                taker.ask(index + 1, index)
            await scene.until(lambda: taker.received_bytes > 0)
            scene.hear(Withdrawn(FILE))
            assert scene.store.held_bytes == 0
            assert not list((tmp_path / "segments").rglob("*-*"))
            taker.ask(9, 0)
            await scene.until(lambda: taker.closed is not None)
            late = scene.meet(2)
            await scene.until(lambda: scene.said(MatchReport)[-1].code == "not_held")
            assert late.frames == []
            await scene.until(lambda: scene.said(Holdings)[-1].files == [FileRuns(FILE, [])])
        given = [event.bytes for event in scene.told if isinstance(event, e.TakerLeft | e.Stopped)]
        assert len(given) == 2
        assert given[0] == given[1], "nothing after the withdrawal"

    asyncio.run(play())


def test_people_are_whoever_got_something_and_no_donor_that_fills_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with donor(tmp_path, monkeypatch, held=1) as scene:
            for number, fill in enumerate((True, False, False)):
                taker = scene.meet(number, fill=fill)
                await scene.until(partial(taker.heard, HoldingsFrame))
                for part in range(2):
                    taker.ask(part + 1, 0, part * 65_536, 65_536)
                await scene.until(partial(has_or_is_gone, taker, 2 * 65_536))
            await scene.until(lambda: any(isinstance(event, e.Served) for event in scene.told))
        figures = [event for event in scene.told if isinstance(event, e.Served)][-1]
        assert (figures.people_today, figures.people_ever) == (2, 2)

    asyncio.run(play())


class Filling:
    """Stands for `Filler`: says what was asked of it. It takes as long as `lasts` to describe a file."""

    def __init__(self, known: KnownFile | None = None) -> None:
        self.asked = 0
        self.rests: list[bool] = []
        self.lasts = threading.Event()
        self._known = known

    def describe(self, file_id: FileId) -> KnownFile:
        self.asked += 1
        if self._known is None:
            raise SourceError("mirror_unreachable", "this is no file")
        self.lasts.wait(PATIENCE_S)
        return self._known

    def fetch(self, *_: object, **_named: object) -> bool:
        return True

    def rest(self, *, rests: bool) -> None:
        self.rests.append(rests)

    def forget(self, file_id: FileId) -> None:
        pass

    def abort(self) -> None:
        pass


@pytest.mark.parametrize("daily_bytes", [None, 0])
def test_over_a_metered_line_nothing_is_fetched_whatever_the_budgets_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, daily_bytes: int | None
) -> None:
    line = {"metered": True}
    limits = AllowanceLimits(unmetered=True, daily_bytes=daily_bytes)

    async def play() -> None:
        filling = Filling()
        async with donor(
            tmp_path,
            monkeypatch,
            held=1,
            limits=limits,
            device=lambda: DeviceState(metered=line["metered"]),
            filler=filling,
        ) as scene:
            scene.hear(Assign(1, 60_000, [FileRuns(FILE, [0, 8])]))
            await scene.until(lambda: any(isinstance(event, e.Paused) for event in scene.told))
            for _ in range(20):
                await asyncio.sleep(0)
            assert filling.asked == 0
            line["metered"] = False
            await scene.until(lambda: filling.asked)
            assert filling.rests == [False], "a used budget does not stop it"
            line["metered"] = True
            await scene.until(lambda: filling.rests == [False, True])

    asyncio.run(play())


def test_who_asks_and_cancels_uses_up_neither_the_rate_nor_the_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with donor(tmp_path, monkeypatch, held=8, up_bytes_per_s=1_000_000) as scene:
            honest, fickle = scene.meet(1), scene.meet(2)
            await scene.until(lambda: honest.heard(HoldingsFrame) and fickle.heard(HoldingsFrame))
            for index in range(8):
                honest.ask(index + 1, index)
            request_id = 0
            while honest.received_bytes < 400_000 and request_id < 1_000:
                request_id += 1
                fickle.ask(request_id, 0)
                await asyncio.sleep(0.005)
                fickle.link.send(CancelFrame(request_id))
            assert honest.received_bytes >= 0.4 * (honest.received_bytes + fickle.received_bytes)
            sent = honest.received_bytes + fickle.received_bytes
        frames = sent // 16_000 + 100
        charged = KeptAllowance(tmp_path / "given.json", AllowanceLimits()).used.day_bytes
        assert charged <= 1.08 * (sent + 12 * frames) + 2 * 65_536

    asyncio.run(play())


def test_who_begins_to_rest_while_it_learns_what_a_file_is_asks_no_donor_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = {"metered": False}
    published = publish(tmp_path / "www", size_bytes=4 * SEGMENT_BYTES)

    async def play() -> None:
        filling = Filling(KnownFile(published.manifest, published.segment_list(), ()))
        async with donor(
            tmp_path / "donor",
            monkeypatch,
            held=0,
            limits=AllowanceLimits(unmetered=True),
            device=lambda: DeviceState(metered=line["metered"]),
            filler=filling,
        ) as scene:
            scene.hear(Assign(1, 60_000, [FileRuns(published.manifest.sha256, [0, 4])]))
            await scene.until(lambda: filling.asked)
            line["metered"] = True
            await scene.until(lambda: filling.rests == [False, True])
            filling.lasts.set()
            for _ in range(20):
                await asyncio.sleep(0.005)
            assert scene.said(Want) == []
            line["metered"] = False
            await scene.until(lambda: scene.said(Want))

    asyncio.run(play())

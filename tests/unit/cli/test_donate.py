"""`dio donate`: what it says of what happens, and which words it refuses."""

from __future__ import annotations

import pytest

from distribute_io.cli.donate import _coordinator_url, _LastFigures, in_words
from distribute_io.donor import events as e
from distribute_io.errors import UsageError


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (e.Assigned(files=1, segments=1), "to hold: 1 segment of 1 file"),
        (e.Assigned(files=2, segments=1_200), "to hold: 1,200 segments of 2 files"),
        (e.Holding(bytes=1_000_000, files=1), "holding 1.00 MB of 1 file"),
        (e.TakerCame(takers=1), "serving 1 person now"),
        (e.TakerLeft(takers=2, bytes=5_000_000), "one was served 5.00 MB; serving 2 people now"),
        (e.TakerLeft(takers=0, bytes=5_000_000), "one was served 5.00 MB; nobody else now"),
        (
            e.Served(
                bytes=20_000_000,
                bytes_today=30_000_000,
                bytes_this_month=0,
                bytes_ever=0,
                takers=1,
                people_today=1,
                people_ever=1_234,
            ),
            "served 20.0 MB, today 30.0 MB with overhead; 1 person today, 1,234 ever",
        ),
        (e.Credited(bytes=1_000_000, downloaders=1, countries=[]), "thanked for 1.00 MB by 1 person"),
    ],
    ids=repr,
)
def test_counts_are_told_with_the_right_words(event: e.DonorEvent, line: str) -> None:
    assert in_words(event, _LastFigures()) == line


@pytest.mark.parametrize(
    "text", ["ftp://example.org", "https://", "http://127.0.0.1:99999", "http://h:port", "http://[::1"]
)
def test_what_is_no_address_is_refused_at_once(text: str) -> None:
    with pytest.raises(UsageError):
        _coordinator_url(text)

"""How mirrors do, in plain words."""

from __future__ import annotations

import msgspec
import pytest

from distribute_io.coordinator.mirror_words import in_words, mirror_warnings
from distribute_io.wire.http import FileEntry, MirrorStatus

URL = "https://m.example/a"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (MirrorStatus(URL, "unchecked", listed=False), "not checked yet"),
        (MirrorStatus(URL, "well", listed=True, rate_bytes_per_s=5_000_000), "well, 5.00 MB/s"),
        (MirrorStatus(URL, "well", listed=True, reason="stalled"), "well; the last check failed: no byte came for too"),
        (
            MirrorStatus(URL, "limited", listed=True, reason="mirror_no_cors"),
            "for programs only, not for pages: it sends no CORS",
        ),
        (MirrorStatus(URL, "failing", listed=False, reason="mirror_tls"), "left out: the mirror's TLS certificate is"),
        (MirrorStatus(URL, "failing", listed=True, reason="stalled"), "listed for want of a better one: no byte came"),
        (MirrorStatus(URL, "changed", listed=False, reason="mirror_file_changed"), "left out: the mirror holds a file"),
    ],
)
def test_each_state_has_its_words(status: MirrorStatus, words: str) -> None:
    assert in_words(status).startswith(words)


def test_a_publisher_is_warned_of_what_pages_will_not_use() -> None:
    states = [
        MirrorStatus("https://well.example/", "well", listed=True),
        MirrorStatus("https://unwatched.example/", "unchecked", listed=True),
        MirrorStatus("https://slow.example/", "unchecked", listed=False),
        MirrorStatus("https://closed.example/", "limited", listed=True, reason="mirror_no_cors"),
    ]
    entry = FileEntry("ab" * 32, "a", 1, "main", [], [], "", "", states)
    lines = list(mirror_warnings(msgspec.json.encode(entry)))
    assert [line.split(": ")[2] for line in lines] == ["https://slow.example/", "https://closed.example/"]
    assert all("dio doctor https://" in line for line in lines)
    assert list(mirror_warnings(b"{}")) == []

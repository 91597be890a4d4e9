from __future__ import annotations

import pytest

from distribute_io.errors import UsageError
from distribute_io.transport.webrtc_engines import EngineName, choose_engine


@pytest.mark.parametrize(
    ("wanted", "there", "chosen"),
    [
        (None, {"reactor-webrtc", "aiortc"}, "reactor-webrtc"),
        (None, {"aiortc"}, "aiortc"),
        ("aiortc", {"reactor-webrtc", "aiortc"}, "aiortc"),
    ],
)
def test_the_one_asked_for_else_the_first_that_is_installed(
    wanted: EngineName | None, there: set[EngineName], chosen: EngineName
) -> None:
    assert choose_engine(wanted, installed=there.__contains__) == chosen


@pytest.mark.parametrize(
    ("wanted", "there", "says"),
    [
        (None, (), "No WebRTC engine is installed"),
        ("aiortc", ("reactor-webrtc",), "pip install 'distribute-io[aiortc]'"),
        ("reactor-webrtc", ("aiortc",), "pip install 'reactor-webrtc'"),
    ],
)
def test_what_is_not_there_is_named_with_how_to_get_it(
    wanted: EngineName | None, there: tuple[EngineName, ...], says: str
) -> None:
    with pytest.raises(UsageError) as caught:
        choose_engine(wanted, installed=there.__contains__)
    assert caught.value.code == "dependency_missing"
    assert says in caught.value.message

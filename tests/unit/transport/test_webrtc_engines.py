from __future__ import annotations

import sys

import pytest

from distribute_io.errors import UsageError
from distribute_io.transport import webrtc_engines
from distribute_io.transport.webrtc_child import ChildEngine
from distribute_io.transport.webrtc_engines import EngineName, choose_engine, open_engine


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


@pytest.mark.parametrize("aiortc_is_there", [True, False])
def test_an_engine_that_cannot_be_loaded_leaves_the_other_or_is_named(
    monkeypatch: pytest.MonkeyPatch, aiortc_is_there: bool
) -> None:
    monkeypatch.setitem(sys.modules, "distribute_io.transport.webrtc_reactor", None)  # importing it fails
    monkeypatch.setattr(webrtc_engines, "is_installed", lambda name: name == "reactor-webrtc" or aiortc_is_there)
    if aiortc_is_there:
        assert isinstance(open_engine(None), ChildEngine)
    with pytest.raises(UsageError) as caught:
        open_engine("reactor-webrtc" if aiortc_is_there else None)
    assert caught.value.code == "dependency_missing"
    assert "cannot be loaded" in caught.value.message

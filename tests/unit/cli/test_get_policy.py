"""`dio get --policy`: what the user says is what the scheduler is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from distribute_io.cli.main import main
from distribute_io.core.scheduler.messages import SchedulerConfig
from distribute_io.download import fetch
from distribute_io.errors import UsageError


@pytest.mark.parametrize(
    ("words", "told"),
    [([], "balanced"), (["--policy", "fast"], "fast"), (["--policy", "spare-mirrors"], "spare-mirrors")],
)
def test_the_scheduler_hears_how_much_to_spare_the_mirrors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    heard: list[str] = []

    def driver(_file: object, *, config: SchedulerConfig, **_: Any) -> None:  # Any: the rest of what a driver gets
        heard.append(config.policy)
        raise UsageError("bad_argument", "that is all that was to be known")

    monkeypatch.setattr(fetch, "Driver", driver)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    Path("release.iso").write_bytes(b"content" * 1000)
    assert main(["publish", "release.iso", "--mirror", "http://127.0.0.1:9/", "-o", "out"]) == 0
    arguments = ["get", "out/release.iso.manifest.json", "-o", "got.iso", "--mirrors-only", "--allow-private", *words]
    assert main(arguments) == 2
    assert heard == [told]


def test_another_word_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["get", "some.json", "--policy", "greedy"]) == 2
    assert "greedy" in capsys.readouterr().err

"""`dio token`: the text is shown once, scopes are checked, a revoked token is told as such."""

from __future__ import annotations

from pathlib import Path

import pytest

from distribute_io.cli.main import main


def test_a_token_is_shown_once_and_listed_by_its_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["token", "create", "--data-dir", str(tmp_path), "--cause", "linux", "--origin", "https://Dl.Example/x"]
    assert main([*words, "--label", "builds"]) == 0
    text = capsys.readouterr().out.strip()
    assert text.startswith("dio_")
    assert main(["token", "list", "--data-dir", str(tmp_path)]) == 0
    listed = capsys.readouterr().out
    assert text not in listed
    for part in ("builds", "linux", "https://dl.example"):
        assert part in listed


def test_a_token_is_revoked_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["token", "create", "--data-dir", str(tmp_path), "--cause", "*"])
    token_id = capsys.readouterr().err.split()[1].rstrip(";")
    assert main(["token", "revoke", token_id, "--data-dir", str(tmp_path)]) == 0
    assert main(["token", "revoke", token_id, "--data-dir", str(tmp_path)]) == 1
    assert "token_invalid" in capsys.readouterr().err


@pytest.mark.parametrize("scope", [["--cause", "x", "--origin", "nowhere"], ["--cause", "x", "--origin", "ftp://a"]])
def test_a_scope_that_is_none_is_refused(tmp_path: Path, scope: list[str]) -> None:
    assert main(["token", "create", "--data-dir", str(tmp_path), *scope]) == 2

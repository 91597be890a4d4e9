"""Every way in which a command can end has its exit code and at most one line on stderr."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
import typer

from distribute_io.cli import main as cli
from distribute_io.errors import IntegrityError, ManifestError, SourceError, UsageError


def run_with(monkeypatch: pytest.MonkeyPatch, raised: BaseException | None) -> int:
    """Runs `dio verify`, whose module is replaced by one that raises `raised`."""
    app = typer.Typer()

    @app.command()
    def verify() -> None:
        if raised is not None:
            raise raised

    monkeypatch.setitem(sys.modules, "distribute_io.cli.verify", SimpleNamespace(app=app))
    return cli.main(["verify"])


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (None, 0),
        (UsageError("bad_argument", "no size: 1x"), 2),
        (IntegrityError("bad_signature", "key A did not sign it"), 3),
        (ManifestError("manifest_bad_name", "bad name"), 1),
        (SourceError("stalled", "no byte came"), 1),
        (UsageError("cancelled", "stopped"), 130),
        (KeyboardInterrupt(), 130),
        (typer.Exit(3), 3),
        (PermissionError(13, "Permission denied", "a.bin"), 1),
        (ValueError("boom"), 1),
    ],
    ids=repr,
)
def test_every_ending_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, raised: BaseException | None, code: int
) -> None:
    assert run_with(monkeypatch, raised) == code


def test_an_error_is_one_line_with_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_with(monkeypatch, UsageError("bad_argument", "1x is no size; write it as 16MB"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "dio: 1x is no size; write it as 16MB [bad_argument]\n"


def test_of_several_errors_the_one_of_integrity_decides(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    group = ExceptionGroup(
        "in a task group",
        [SourceError("stalled", "no byte came"), ExceptionGroup("", [IntegrityError("file_mismatch", "wrong file")])],
    )
    assert run_with(monkeypatch, group) == 3
    assert capsys.readouterr().err == "dio: wrong file [file_mismatch]\n"


def test_our_own_fault_is_one_line_too_unless_the_traceback_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_with(monkeypatch, ValueError("boom\nsecond line"))
    line = capsys.readouterr().err
    assert line == "dio: an error of dio itself: ValueError: boom; with DIO_TRACEBACK=1 it says where\n"
    monkeypatch.setenv("DIO_TRACEBACK", "1")
    run_with(monkeypatch, ValueError("boom"))
    assert "Traceback" in capsys.readouterr().err


def test_a_file_error_names_the_file(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run_with(monkeypatch, FileNotFoundError(2, "No such file or directory", "a.bin"))
    assert capsys.readouterr().err == "dio: No such file or directory: a.bin\n"


def test_a_mistyped_command_is_a_usage_error_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["srve"]) == 2
    assert "serve" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["verify", "--foo"], "No such option: --foo; `dio verify --help`"),
        (["verify"], "Missing argument 'FILE'; `dio verify --help`"),
        (["verify", "a", "b", "--pin"], "Option '--pin' requires an argument; `dio verify --help`"),
        (["donate", "x", "--takers", "many"], "Invalid value for '--takers': 'many' is not"),
        (["cause", "creat"], "Did you mean 'create'? `dio cause --help`"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_that_cannot_be_parsed_are_one_line_with_a_code_and_the_way_to_the_help(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("dio: ")
    assert said in captured.err
    assert captured.err.endswith("[bad_argument]\n")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_has_a_help_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([name, "--help"]) == 0
    assert f"dio {name}" in capsys.readouterr().out


KEY_FILES = "cryptography.hazmat.primitives.serialization"
HEAVY = "aiohttp, sqlalchemy, reactor_webrtc, cryptography, msgspec, rich, asyncio"
"""What takes its time to load."""


@pytest.mark.parametrize(
    ("loads", "not_needed"),
    [
        ("distribute_io.cli.main", HEAVY),
        # Hashing begins as soon as this is loaded (ADR 0011).
        ("distribute_io.cli.hashing_ahead", f"{HEAVY}, typer"),
        ("distribute_io.cli.publish", HEAVY),
        # A plain download reads no key file, talks to no donor and has no terminal to draw on (ADR 0020).
        ("distribute_io.cli.donate", "sqlalchemy, reactor_webrtc, rich"),
        ("distribute_io.cli.get", f"aiohttp, sqlalchemy, reactor_webrtc, rich, cryptography.x509, {KEY_FILES}"),
    ],
)
def test_a_command_loads_no_more_than_it_needs_to_begin(loads: str, not_needed: str) -> None:
    script = (
        f"import sys, {loads}; heavy = {not_needed.split(', ')!r};"
        "print(*(name for name in heavy if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_help_imports_no_command() -> None:
    script = (
        "import sys; from distribute_io.cli.main import main; sys.exit(main(['--help']) or 'aiohttp' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "demo" in done.stdout

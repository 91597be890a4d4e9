"""`dio cause`, `dio mirror` and `dio unpublish`, on a data directory and at a running coordinator."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.harness.coordinator import CAUSE, Coordinator, run_dio, run_dio_well
from tests.harness.processes import Stage, free_port, free_udp_port_pair


@pytest.fixture
def coordinator(stage: Stage, tmp_path: Path) -> Coordinator:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"a" * 300_000)
    return Coordinator(
        stage=stage, data_dir=tmp_path / "data", port=free_port(), stun_port=free_udp_port_pair(), folder=folder
    )


@pytest.fixture
def file_id(coordinator: Coordinator) -> str:
    digest = hashlib.sha256(b"a" * 300_000).hexdigest()
    coordinator.process.wait_until(
        lambda: any(row["file_id"] == digest for row in coordinator.get("/api/v1/files")["files"]), "the file"
    )
    return digest


def test_cause_is_made_edited_and_listed(tmp_path: Path) -> None:
    data = ("--data-dir", tmp_path)
    run_dio_well("cause", "create", "open-maps", "--icon", "M", *data)
    run_dio_well("cause", "edit", "open-maps", "--text", "Maps for all.", "--weight", "2.5", *data)
    listed = run_dio_well("cause", "list", *data)
    assert "open-maps" in listed
    assert "M Open maps" in listed
    assert " 2.5 " in listed


def test_cause_is_not_made_twice_nor_edited_when_unknown(tmp_path: Path) -> None:
    data = ("--data-dir", tmp_path)
    run_dio_well("cause", "create", "maps", *data)
    twice = run_dio("cause", "create", "maps", *data)
    assert (twice.returncode, "[bad_argument]" in twice.stderr) == (2, True)
    unknown = run_dio("cause", "edit", "mapps", "--title", "Maps", *data)
    assert (unknown.returncode, "[unknown_cause]" in unknown.stderr) == (1, True)


def test_new_cause_is_offered_by_the_running_coordinator(coordinator: Coordinator) -> None:
    run_dio_well("cause", "create", "maps", "--title", "Maps", "--data-dir", coordinator.data_dir)
    assert "maps" in {cause["cause"] for cause in coordinator.get("/api/v1/causes")["causes"]}


@pytest.mark.parametrize("remote", [False, True])
def test_mirror_is_added_listed_resolved_and_removed(coordinator: Coordinator, file_id: str, remote: bool) -> None:
    base = "http://127.0.0.2:9/pub/"
    where: tuple[str | Path, ...]
    if remote:
        token = coordinator.create_token(origins=["http://127.0.0.2:9"])
        where = ("--to", coordinator.url, "--token", token)
        listing: tuple[str | Path, ...] = ("--to", coordinator.url)
        extra: tuple[str, ...] = ()
    else:
        where = listing = ("--data-dir", coordinator.data_dir)
        extra = ("--allow-private-mirrors",)
    run_dio_well("mirror", "add", file_id, base, "--priority", "5", "--location", "DE", *extra, *where)
    listed = run_dio_well("mirror", "list", file_id, *listing)
    assert f"{base}a.bin" in listed
    assert coordinator.get(f"/api/v1/resolve?url={base}a.bin")["file_id"] == file_id
    run_dio_well("mirror", "remove", file_id, base, *where)
    assert base not in run_dio_well("mirror", "list", file_id, *listing)


def test_mirror_on_a_private_address_is_refused_by_name(coordinator: Coordinator, file_id: str) -> None:
    done = run_dio("mirror", "add", file_id, "http://127.0.0.2:9/", "--data-dir", coordinator.data_dir)
    assert (done.returncode, "[mirror_private_address]" in done.stderr) == (1, True)


@pytest.mark.parametrize("remote", [False, True])
def test_unpublished_file_is_gone_and_stays_gone(coordinator: Coordinator, file_id: str, remote: bool) -> None:
    where: tuple[str | Path, ...] = (
        ("--to", coordinator.url, "--token", coordinator.create_token(cause=CAUSE))
        if remote
        else ("--data-dir", coordinator.data_dir)
    )
    run_dio_well("unpublish", file_id, *where)
    assert file_id not in json.dumps(coordinator.get("/api/v1/files"))
    coordinator.process.stop()
    coordinator.start()
    assert file_id not in json.dumps(coordinator.get("/api/v1/files"))


def test_unpublish_without_a_token_is_refused(coordinator: Coordinator, file_id: str) -> None:
    done = run_dio("unpublish", file_id, "--to", coordinator.url)
    assert (done.returncode, "[token_missing]" in done.stderr) == (1, True)
    assert file_id in json.dumps(coordinator.get("/api/v1/files"))


def test_what_is_no_file_id_is_a_usage_error(tmp_path: Path) -> None:
    done = run_dio("unpublish", "a.bin", "--data-dir", tmp_path)
    assert (done.returncode, "[bad_argument]" in done.stderr) == (2, True)

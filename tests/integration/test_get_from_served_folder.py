"""`dio serve DIR` and `dio get` together: what a folder holds arrives as it lay there."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

from distribute_io.manifest.keys import SigningKey
from tests.harness.coordinator import run_dio_well, start_coordinator
from tests.harness.processes import Stage, dio


def test_files_of_equal_content_keep_their_names(stage: Stage, tmp_path: Path) -> None:
    served, target = tmp_path / "served", tmp_path / "got"
    target.mkdir()
    files = {"one.txt": b"same", "sub folder/two.txt": b"same", "Größe.bin": b"another", "empty": b""}
    for name, content in files.items():
        (served / name).parent.mkdir(parents=True, exist_ok=True)
        (served / name).write_bytes(content)
    coordinator = start_coordinator(stage, folder=served)
    coordinator.process.wait_until(
        lambda: len(coordinator.get("/api/v1/files")["files"]) == len(files), "all files", timeout_s=30
    )
    addresses = [f"{coordinator.url}/files/{quote(name)}" for name in files]
    reports = run_dio_well("get", *addresses, "-o", target, "--json").splitlines()
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {
        Path(name).name: content for name, content in files.items()
    }
    assert [json.loads(report)["name"] for report in reports] == list(files)


def test_a_pin_that_did_not_sign_is_told_as_such_and_not_as_an_unknown_link(stage: Stage, tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    (served / "one.txt").write_bytes(b"one")
    coordinator = start_coordinator(stage, folder=served)
    coordinator.process.wait_until(
        lambda: len(coordinator.get("/api/v1/files")["files"]) == 1, "the file", timeout_s=30
    )
    pin = SigningKey.generate().public_key
    words = dio("get", f"{coordinator.url}/files/one.txt", "--pin", pin, "-o", tmp_path / "got.txt")
    process = stage.start("get", words)
    assert process.wait(timeout_s=30) == 3
    assert "[untrusted_manifest]" in process.stderr()
    assert not (tmp_path / "got.txt").exists()

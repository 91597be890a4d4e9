"""`dio get` as a process against mirrors that misbehave: the file is right, or the error is named."""

from __future__ import annotations

import dataclasses
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.harness.mirror_faults import FAULTS, faulty_mirrors
from tests.harness.mirrors import Mirror, start_mirror
from tests.harness.processes import Process, Stage, dio
from tests.harness.publishing import Published, publish

MIB = 1 << 20


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return publish(tmp_path / "www", size_bytes=12 * MIB + 12_345)


def start_get(stage: Stage, published: Published, mirrors: Sequence[str], *options: str) -> Process:
    document = published.write_document(stage.folder, *mirrors)
    target = stage.folder / "out.bin"
    pin = published.key.public_key
    return stage.start("get", dio("get", document, "-o", target, "--pin", pin, "--allow-private", "--json", *options))


def get(stage: Stage, published: Published, mirrors: Sequence[str], *options: str) -> dict[str, Any]:
    """Run to the end; it must succeed, and the file must be the published one."""
    process = start_get(stage, published, mirrors, *options)
    assert process.wait(timeout_s=60) == 0, process.output()
    assert (stage.folder / "out.bin").read_bytes() == published.data
    assert list(stage.folder.glob("out.bin.part*")) == []
    report: dict[str, Any] = json.loads(process.stdout())
    assert report["verified"] is True
    assert report["signed_by"] == [published.key.public_key]
    assert report["sha256"] == published.manifest.sha256
    assert sum(row["bytes"] for row in report["bytes_by_source"]) == published.manifest.size_bytes
    return report


def bytes_from(report: dict[str, Any], mirror: Mirror) -> int:
    return sum(int(row["bytes"]) for row in report["bytes_by_source"] if row["source"].startswith(mirror.url))


def reason_of(report: dict[str, Any], mirror: Mirror) -> str:
    rows = [row for row in report["sources"] if row["source"].startswith(mirror.url)]
    return str(rows[0]["reason"])


def test_file_comes_from_several_mirrors_at_once(stage: Stage, published: Published) -> None:
    slow = start_mirror(stage, published.path.parent, rate="2MB/s")
    quick = start_mirror(stage, published.path.parent, rate="4MB/s")
    report = get(stage, published, [slow.link("file.bin"), quick.link("file.bin")])
    assert bytes_from(report, slow) > 0
    assert bytes_from(report, quick) > bytes_from(report, slow)
    assert report["segments"] == 13
    assert report["segments_rejected"] == 0
    assert report["sources_banned"] == []


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("truncate", "mirror_truncated"),
        ("ignore-range", "mirror_ignores_range"),
        ("busy=30", "mirror_busy"),
        ("stall-after=300000", "stalled"),
        ("redirect=http://127.0.0.1:9/", "mirror_unreachable"),
    ],
)
def test_faulty_mirror_is_named_and_the_good_one_delivers(
    stage: Stage, published: Published, fault: str, reason: str
) -> None:
    faulty = start_mirror(stage, published.path.parent, misbehave=[fault], name="faulty")
    good = start_mirror(stage, published.path.parent, rate="4MB/s")
    report = get(stage, published, [faulty.link("file.bin"), good.link("file.bin")])
    assert reason_of(report, faulty) == reason
    assert report["sources_banned"] == []


def test_one_good_mirror_among_all_that_fail_delivers_and_each_is_named(stage: Stage, published: Published) -> None:
    served = published.path.parent
    folders = {"served": served, "other": stage.folder / "another", "empty": stage.folder / "nothing"}
    for folder in (folders["other"], folders["empty"]):
        folder.mkdir(parents=True)
    (folders["other"] / "file.bin").write_bytes(published.data[:-1000])
    good, spare = (start_mirror(stage, served, rate="2MB/s") for _ in range(2))
    bad = faulty_mirrors(stage, folders, spare.url)
    report = get(stage, published, [mirror.link("file.bin") for mirror in (*bad.values(), good)])
    # What has come back since says no more of what was wrong, and a program needs no CORS.
    reasons = {name: reason_of(report, mirror) for name, mirror in bad.items()}
    for name in ("flips", "ignores", "changed", "missing", "truncates"):
        assert reasons[name] == FAULTS[name].problem, reasons
    assert report["sources_banned"] == [bad["flips"].link("file.bin")]
    assert {"mirror_forbidden", "mirror_unreachable", "mirror_truncated"} >= {reasons["dies"]} - {"None"}
    assert bytes_from(report, good) > 0


def test_mirror_that_flips_bits_is_banned_and_named(stage: Stage, published: Published) -> None:
    liar = start_mirror(stage, published.path.parent, misbehave=["flip"], name="liar")
    good = start_mirror(stage, published.path.parent, rate="4MB/s")
    report = get(stage, published, [liar.link("file.bin"), good.link("file.bin")])
    assert report["sources_banned"] == [liar.link("file.bin")]
    assert report["segments_rejected"] >= 1
    assert bytes_from(report, liar) == 0


def test_mirror_that_dies_costs_nothing_but_time(stage: Stage, published: Published) -> None:
    mortal = start_mirror(stage, published.path.parent, rate="4MB/s", misbehave=["die-after=3000000"], name="mortal")
    good = start_mirror(stage, published.path.parent, rate="4MB/s")
    report = get(stage, published, [mortal.link("file.bin"), good.link("file.bin")])
    assert bytes_from(report, mortal) <= 3_300_000


def test_all_mirrors_lie_is_a_verification_failure_and_delivers_nothing(stage: Stage, published: Published) -> None:
    mirrors = [start_mirror(stage, published.path.parent, misbehave=["flip"]) for _ in range(2)]
    process = start_get(stage, published, [mirror.link("file.bin") for mirror in mirrors])
    assert process.wait(timeout_s=60) == 3
    assert "[all_sources_lie]" in process.stderr()
    assert not (stage.folder / "out.bin").exists()
    report = json.loads(process.stdout())
    assert (report["code"], report["verified"], report["file"], report["name"]) == (
        "all_sources_lie",
        False,
        None,
        published.manifest.name,
    )
    assert report["message"] in process.stderr()
    assert [(row["state"], row["reason"]) for row in report["sources"]] == [("banned", "segment_mismatch")] * 2


def test_wrong_pin_is_a_verification_failure_before_any_byte(stage: Stage, published: Published) -> None:
    mirror = start_mirror(stage, published.path.parent)
    other = publish(stage.folder / "other", size_bytes=1000)
    document = published.write_document(stage.folder, mirror.link("file.bin"))
    process = stage.start("get", dio("get", document, "--pin", other.key.public_key, "--allow-private", "--json"))
    assert process.wait(timeout_s=30) == 3
    assert "[untrusted_manifest]" in process.stderr()
    report = json.loads(process.stdout())
    assert (report["asked"], report["code"], report["sources"]) == (str(document), "untrusted_manifest", [])
    assert mirror.bytes_sent() == 0


def test_private_mirror_is_refused_unless_allowed(stage: Stage, published: Published) -> None:
    mirror = start_mirror(stage, published.path.parent)
    document = published.write_document(stage.folder, mirror.link("file.bin"))
    process = stage.start("get", dio("get", document, "-o", stage.folder / "out.bin"))
    assert process.wait(timeout_s=30) == 1
    assert "mirror_private_address; --allow-private permits private addresses" in process.stderr()
    assert mirror.bytes_sent() == 0


def test_without_a_pin_nothing_is_called_verified(stage: Stage, published: Published) -> None:
    mirror = start_mirror(stage, published.path.parent)
    document = published.write_document(stage.folder, mirror.link("file.bin"))
    process = stage.start("get", dio("get", document, "-o", stage.folder / "out.bin", "--allow-private"))
    assert process.wait(timeout_s=30) == 0
    assert "matches the list of" in process.stdout()
    assert "verified" not in process.stdout()


def test_kill_and_start_again_goes_on_where_it_was(stage: Stage, published: Published) -> None:
    mirror = start_mirror(stage, published.path.parent, rate="4MB/s")
    process = start_get(stage, published, [mirror.link("file.bin")])
    journal = stage.folder / "out.bin.part.journal"
    process.wait_until(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 3, "two syncs")
    process.kill()
    sent_before = mirror.bytes_sent()
    second = start_get(stage, published, [mirror.link("file.bin")])
    assert second.wait(timeout_s=60) == 0, second.output()
    resumed = json.loads(second.stdout())["resumed_bytes"]
    assert resumed >= 2 * MIB
    assert (stage.folder / "out.bin").read_bytes() == published.data
    # At most what was on the way when it was killed comes twice.
    assert mirror.bytes_sent() - sent_before <= published.manifest.size_bytes - resumed + 2 * MIB


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_download_exits_130_and_can_be_resumed(
    stage: Stage, published: Published, how: signal.Signals
) -> None:
    mirror = start_mirror(stage, published.path.parent, rate="3MB/s")
    process = start_get(stage, published, [mirror.link("file.bin")])
    process.wait_until(lambda: mirror.bytes_sent() > 4 * MIB, "some megabytes")
    process.send_signal(how)
    assert process.wait(timeout_s=10) == 130
    assert "goes on from here" in process.stderr()
    mirror.change(rate=None)
    second = start_get(stage, published, [mirror.link("file.bin")])
    assert second.wait(timeout_s=60) == 0, second.output()
    assert json.loads(second.stdout())["resumed_bytes"] >= 2 * MIB
    assert (stage.folder / "out.bin").read_bytes() == published.data


def test_termination_stops_a_download_that_a_script_started_in_the_background(
    stage: Stage, published: Published
) -> None:
    mirror = start_mirror(stage, published.path.parent, rate="3MB/s")
    document = published.write_document(stage.folder, mirror.link("file.bin"))
    command = dio("get", document, "-o", stage.folder / "out.bin", "--allow-private")
    # As `dio get … &` has it: shells let what is in the background ignore SIGINT.
    process = stage.start("get", ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", *command])
    process.wait_until(lambda: mirror.bytes_sent() > 2 * MIB, "some megabytes")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout_s=10) == 130
    assert "goes on from here" in process.stderr()


def test_rate_limit_holds(stage: Stage, published: Published) -> None:
    mirror = start_mirror(stage, published.path.parent)
    report = get(stage, published, [mirror.link("file.bin")], "--limit-rate", "4MB/s")
    assert report["seconds"] >= 0.9 * (published.manifest.size_bytes - 1_000_000) / 4_000_000


def test_right_file_that_is_there_is_taken_and_another_is_never_overwritten(stage: Stage, published: Published) -> None:
    mirror = start_mirror(stage, published.path.parent)
    get(stage, published, [mirror.link("file.bin")])
    sent = mirror.bytes_sent()
    again = start_get(stage, published, [mirror.link("file.bin")])
    assert again.wait(timeout_s=30) == 0
    assert mirror.bytes_sent() == sent
    (stage.folder / "out.bin").write_bytes(b"mine")
    refused = start_get(stage, published, [mirror.link("file.bin")])
    assert refused.wait(timeout_s=30) == 2
    assert "[file_exists]" in refused.stderr()
    assert (stage.folder / "out.bin").read_bytes() == b"mine"


@pytest.mark.parametrize("size_bytes", [0, 1, 262_144, 4 * MIB])
def test_small_and_empty_files(stage: Stage, tmp_path: Path, size_bytes: int) -> None:
    published = publish(tmp_path / "www", size_bytes=size_bytes)
    mirror = start_mirror(stage, published.path.parent)
    get(stage, published, [mirror.link("file.bin")])


def test_older_version_under_a_pinned_key_is_refused(stage: Stage, published: Published) -> None:
    mirror = start_mirror(stage, published.path.parent)
    get(stage, published, [mirror.link("file.bin")])
    (stage.folder / "out.bin").unlink()
    older = msgspec.structs.replace(published.manifest, version=published.manifest.version - 1)
    process = start_get(stage, dataclasses.replace(published, manifest=older), [mirror.link("file.bin")])
    assert process.wait(timeout_s=30) == 3
    assert "[manifest_rollback]" in process.stderr()
    assert not (stage.folder / "out.bin").exists()
    get(stage, published, [mirror.link("file.bin")])


def test_disk_that_is_full_is_named(stage: Stage, published: Published) -> None:
    mirror = start_mirror(stage, published.path.parent)
    document = published.write_document(stage.folder, mirror.link("file.bin"))
    command = dio("get", document, "-o", stage.folder / "out.bin", "--allow-private")
    # A limit on the size of files is as good as a full disk: the same write fails, with EFBIG instead of ENOSPC.
    limited = ["sh", "-c", 'ulimit -f 8192; exec "$@"', "sh", *command]
    process = stage.start("get", limited)
    assert process.wait(timeout_s=30) == 1
    assert "[disk_full]" in process.stderr()

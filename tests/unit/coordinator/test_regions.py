"""Where peers are: the three sources in their order, what is unknown, and that no address can be read off."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]  # it has no types

from distribute_io.coordinator.continents import continent_of
from distribute_io.coordinator.regions import NetworkTable, Regions, load_regions
from distribute_io.errors import UsageError
from tests.harness.peer import Peer
from tests.unit.coordinator.served import Served, files, play

KEY = b"k" * 32
DNS_ANYCAST_US = "8.8.8.8"


def regions(*rows: tuple[str, str]) -> Regions:
    return Regions(NetworkTable(rows), (), key=KEY)


def coarse(region: str) -> str:
    return region.rpartition("/n-")[0]


def test_the_longest_prefix_of_the_operators_table_decides() -> None:
    found = regions(
        ("10.0.0.0/8", "XX/wide"), ("10.1.0.0/16", "XX/narrow"), ("0.0.0.0/0", "YY"), ("fd00::/8", "XX/six")
    )
    assert coarse(found.find("10.1.2.3")) == "XX/narrow"
    assert coarse(found.find("10.2.2.3")) == "XX/wide"
    assert coarse(found.find(DNS_ANYCAST_US)) == "YY"
    assert coarse(found.find("fd00:1:2::/64")) == "XX/six"


def test_the_table_comes_before_the_registries_and_those_come_last() -> None:
    assert coarse(regions().find(DNS_ANYCAST_US)) == "NA/US"
    assert coarse(regions(("8.8.8.0/24", "EU/DE/lab")).find(DNS_ANYCAST_US)) == "EU/DE/lab"


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("EU", "EU"),
        ("DE", "EU/DE"),
        ("eu/de", "EU/DE"),
        ("EU/DE/AS3320", "EU/DE"),
        ("NA", "NA"),
        ("AF/NA", "AF/NA"),
        ("campus", "campus"),
        ("campus/north", "campus/north"),
        ("XX/lab/AS1", "XX/lab"),
        ("XX", "XX"),
        ("campus/south", None),
        ("NA/DE", None),
        ("Germany", None),
        ("ZZ", None),
        ("", None),
    ],
)
def test_a_region_is_known_by_the_table_or_as_a_continent_or_country(name: str, region: str | None) -> None:
    assert regions(("10.0.0.0/8", "campus/north/AS7"), ("10.1.0.0/16", "XX/lab")).named(name) == region


@pytest.mark.parametrize("address", ["127.0.0.1", "192.168.1.2", "10.0.0.1", "fe80::/64", "::1", "unknown", ""])
def test_private_addresses_are_nowhere(address: str) -> None:
    assert regions().find(address) == ""


def test_neighbours_share_the_last_part_and_no_part_tells_the_address() -> None:
    found = regions()
    here, beside, elsewhere = (found.find(address) for address in ("8.8.8.8", "8.8.8.9", "8.8.4.4"))
    assert here == beside
    assert coarse(here) == coarse(elsewhere)
    assert here != elsewhere
    assert "8" not in here.partition("/n-")[0]
    assert Regions(NetworkTable(()), (), key=b"other" * 8).find("8.8.8.8") != here
    assert found.find("2001:4860:4860::/64") == found.find("2001:4860:4860:1::/64")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("10.0.0.0/8", "bad_config"),
        ("10.0.0.1/8,EU/DE", "bad_config"),
        ("ten,EU/DE", "bad_config"),
        ("10.0.0.0/8,", "bad_config"),
        ("10.0.0.0/8,EU//DE", "bad_config"),
        ("10.0.0.0/8,EU/n-12345678", "bad_config"),
        ("10.0.0.0/8," + "/".join("abcdefghi"), "bad_config"),
        ("10.0.0.0/8,\x07", "bad_config"),
    ],
)
def test_a_wrong_line_ends_the_start(tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "regions.csv"
    path.write_text(f"# our networks\n127.0.0.0/8,EU/DE\n{text}\n")
    with pytest.raises(UsageError) as caught:
        load_regions(table_path=str(path), mmdb_paths=(), key=KEY)
    assert caught.value.code == code
    assert str(path) in caught.value.message


def test_a_file_that_is_not_there_or_no_mmdb(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_regions(table_path=str(tmp_path / "none.csv"), mmdb_paths=(), key=KEY)
    assert caught.value.code == "file_not_found"
    with pytest.raises(UsageError) as caught:
        load_regions(table_path="", mmdb_paths=[str(tmp_path / "none.mmdb")], key=KEY)
    assert caught.value.code == "file_not_found"
    other = tmp_path / "other.mmdb"
    other.write_bytes(b"no database at all")
    with pytest.raises(UsageError) as caught:
        load_regions(table_path="", mmdb_paths=[str(other)], key=KEY)
    assert caught.value.code == "bad_config"


def write_mmdb(path: Path, ip_version: int, records: Mapping[str, dict[str, Any]]) -> str:  # Any: as MMDB
    writer = MMDBWriter(ip_version=ip_version, ipv4_compatible=ip_version == 6, database_type="test")
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return str(path)


def test_databases_add_up_to_one_region_and_fall_back_to_the_registries(tmp_path: Path) -> None:
    country = {"continent": {"code": "EU"}, "country": {"iso_code": "SE"}}
    countries = write_mmdb(tmp_path / "country.mmdb", 4, {"8.8.8.0/24": country})
    systems = write_mmdb(
        tmp_path / "as.mmdb", 6, {"8.8.0.0/16": {"autonomous_system_number": 15169}, "2001:4860::/32": {"asn": "AS7"}}
    )
    found = load_regions(table_path="", mmdb_paths=[countries, systems], key=KEY)
    assert coarse(found.find("8.8.8.8")) == "EU/SE/AS15169"
    assert coarse(found.find("8.8.4.4")) == "NA/US/AS15169"
    assert coarse(found.find("2001:4860::/64")) == "NA/US/AS7"
    assert coarse(found.find("1.1.1.1")) == coarse(regions().find("1.1.1.1"))
    table = tmp_path / "table.csv"
    table.write_text("8.8.8.0/24,AS/JP/lab\n")
    own = load_regions(table_path=str(table), mmdb_paths=[countries, systems], key=KEY)
    assert coarse(own.find("8.8.8.8")) == "AS/JP/lab"  # the operator's word comes before any database
    assert coarse(own.find("8.8.4.4")) == "NA/US/AS15169"


def test_countries_are_on_continents() -> None:
    assert {continent_of(code) for code in ("DE", "BR", "US", "JP", "KE", "AU")} == {"EU", "SA", "NA", "AS", "AF", "OC"}
    assert continent_of("EU") == ""


def test_a_near_donor_is_introduced_before_a_far_one(tmp_path: Path) -> None:
    files(tmp_path, 1)
    table = tmp_path / "regions.csv"
    table.write_text("127.1.0.0/16,EU/DE\n127.2.0.0/16,SA/BR\n")

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with (
            Peer.connect(served, source="127.1.0.1") as german,
            Peer.connect(served, source="127.2.0.1") as brazilian,
        ):
            held = [{"file_id": file_id, "runs": [0, 4]}]
            await german.donate(held=held)
            await brazilian.donate(held=held)
            for source, near in (("127.2.0.9", brazilian), ("127.1.9.9", german)) * 3:
                async with Peer.connect(served, source=source) as downloader:
                    await downloader.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
                    match_id = (await downloader.hear("match"))["match_id"]
                    assert (await near.hear("match"))["match_id"] == match_id

    play(tmp_path, scene, region_table=str(table))

"""Where a peer is: its region as a path from coarse to fine, `CONTINENT/COUNTRY/AS…/n-…`.

Rules:

1. Three sources, the first that knows the address decides: the operator's own table of networks, MMDB files, the
   country table of `iptocc` (registrations at the five regional registries). What is unknown is left out.
2. Private, loopback and link-local addresses are nowhere, unless the operator's table says where.
3. The last part tells who shares a /24 or a /48. It is a keyed hash whose key dies with this process: equal networks
   can be told equal, and nobody can read an address off it. No address goes further than this module.
4. A file that cannot be read or has a wrong line ends the start with a named error: a silently smaller table would
   send people across continents.
"""

from __future__ import annotations

import csv
import hashlib
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import iptocc
import maxminddb

from distribute_io.coordinator.continents import continent_of, is_continent
from distribute_io.core.demand.regions import coarse
from distribute_io.errors import UsageError

REGION_LENGTH_MAX: Final = 128
_PARTS_MAX: Final = 8
_HASH_BYTES: Final = 4
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_FINEST: Final = {4: 24, 6: 48}
"""Prefix length within which peers count as one place: what one provider hands to one town, campus or company."""


class NetworkTable:
    """Longest-prefix match over an operator's list of networks: one look-up for each prefix length that occurs."""

    def __init__(self, rows: Sequence[tuple[str, str]]) -> None:
        """Read rows of network and region.

        Raises:
            ValueError: for a row that is not right, with its number from 1.
        """
        tables: dict[tuple[int, int], dict[int, str]] = {}
        for number, (network_text, region) in enumerate(rows, 1):
            try:
                network = ipaddress.ip_network(network_text.strip())
                path = _checked_path(region.strip())
            except ValueError as error:
                raise ValueError(f"row {number}: {error}") from error
            key = int(network.network_address) >> _host_bits(network.version, network.prefixlen)
            tables.setdefault((network.version, network.prefixlen), {})[key] = path
        self._tables: Final = dict(sorted(tables.items(), reverse=True))
        paths = {path for table in tables.values() for path in table.values()}
        self._named: Final = frozenset(name for path in paths for name in (path.partition("/")[0], coarse(path)))

    def knows(self, region: str) -> bool:
        """Whether a network is in this region, or in one within it."""
        return region in self._named

    def find(self, address: _Address) -> str | None:
        """The region of the longest prefix that holds the address; None if none does."""
        for (version, length), table in self._tables.items():
            if version == address.version:
                region = table.get(int(address) >> _host_bits(version, length))
                if region is not None:
                    return region
        return None


class Regions:
    """Finds regions.

    Args:
        table: the operator's networks.
        databases: open MMDB readers, each asked for what those before did not know.
        key: 16 secret bytes or more, of this process.
    """

    def __init__(self, table: NetworkTable, databases: Sequence[maxminddb.Reader], *, key: bytes) -> None:
        self._table = table
        self._databases = tuple(databases)
        self._key = key

    def find(self, network: str) -> str:
        """The region of an address, or of a network's first one; empty if nothing is known of it."""
        try:
            address = ipaddress.ip_address(network.partition("/")[0])
        except ValueError:
            return ""
        path = self._table.find(address)
        if path is None:
            if not address.is_global:
                return ""
            path = self._from_databases(address) or _registered(address)
        return "/".join(part for part in (path, self._neighbourhood(address)) if part)

    def named(self, text: str) -> str | None:
        """The region, as coarse as demand is counted, that somebody means by a name; None where nobody can be.

        A region of the operator's table, a continent (`EU`), a country (`DE`, `EU/DE`). Four codes are both, of a
        continent and of a country (`AF`, `AS`, `NA`, `SA`): alone they mean the continent.
        """
        region = coarse(text.strip())
        if self._table.knows(region):
            return region
        first, _, country = region.upper().partition("/")
        if not country and is_continent(first):
            return first
        country = country or first
        continent = continent_of(country)
        return f"{continent}/{country}" if continent and first in (continent, country) else None

    def _from_databases(self, address: _Address) -> str:
        continent = country = system = ""
        for database in self._databases:
            if address.version == 6 and database.metadata().ip_version == 4:
                continue
            record: Any = database.get(address)  # Any: each database has its own shape
            if not isinstance(record, dict):
                continue
            continent = continent or _text(record, "continent", "code")
            country = country or _text(record, "country", "iso_code") or _text(record, "country_code")
            system = system or _system(record)
        if country and not continent:
            continent = continent_of(country)
        if system and not country:
            continent, _, country = _registered(address).partition("/")
        return "/".join(part for part in (continent, country, system) if part)

    def _neighbourhood(self, address: _Address) -> str:
        prefix = int(address) >> _host_bits(address.version, _FINEST[address.version])
        text = f"{address.version}:{prefix}".encode()
        return f"n-{hashlib.blake2s(text, key=self._key[:32], digest_size=_HASH_BYTES).hexdigest()}"


def load_regions(*, table_path: str, mmdb_paths: Sequence[str], key: bytes) -> Regions:
    """Read the operator's table (CSV lines `NETWORK,REGION`; `#` begins a comment) and open the MMDB files.

    Raises:
        UsageError: `file_not_found`, or `bad_config` for what is in one of them.
    """
    return Regions(_read_table(Path(table_path)) if table_path else NetworkTable(()), _open_all(mmdb_paths), key=key)


def _read_table(path: Path) -> NetworkTable:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            lines = [(number, line) for number, line in enumerate(csv.reader(stream), 1) if line]
    except OSError as error:
        raise UsageError("file_not_found", f"The table of regions {path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError("bad_config", f"The table of regions {path} is no CSV: {error}.") from error
    rows: list[tuple[str, str]] = []
    for number, line in lines:
        if line[0].lstrip().startswith("#"):
            continue
        if len(line) != 2:
            raise UsageError("bad_config", f"{path}, line {number}: expected NETWORK,REGION.")
        rows.append((line[0], line[1]))
    try:
        return NetworkTable(rows)
    except ValueError as error:
        raise UsageError("bad_config", f"{path}, {error}.") from error


def _open_all(paths: Sequence[str]) -> list[maxminddb.Reader]:
    readers = []
    for path in paths:
        try:
            readers.append(maxminddb.open_database(path))
        except OSError as error:
            raise UsageError("file_not_found", f"The database {path} cannot be read: {error.strerror}.") from error
        except maxminddb.InvalidDatabaseError as error:
            raise UsageError("bad_config", f"{path} is no MMDB file: {error}.") from error
    return readers


def _registered(address: _Address) -> str:
    """Continent and country of the registration."""
    country = iptocc.country_code(str(address)) or ""
    continent = continent_of(country)
    return f"{continent}/{country}" if continent else ""


def _checked_path(region: str) -> str:
    parts = region.split("/")
    if not region or not all(parts) or len(parts) > _PARTS_MAX or len(region) > REGION_LENGTH_MAX:
        raise ValueError(f"{region!r} is no region: 1 to {_PARTS_MAX} parts, separated by /, at most 128 characters")
    if not region.isprintable() or any(part.startswith("n-") for part in parts):
        raise ValueError(f"{region!r} is no region: parts are printable and do not begin with n-")
    return region


def _text(record: dict[str, Any], *keys: str) -> str:  # Any: as in `_from_databases`
    node: Any = record
    for key in keys:
        node = node.get(key) if isinstance(node, dict) else None
    return node if isinstance(node, str) and node.isalnum() else ""


def _system(record: dict[str, Any]) -> str:  # Any: as in `_from_databases`
    number = record.get("autonomous_system_number") or record.get("asn")
    if isinstance(number, str):
        number = number.removeprefix("AS")
        number = int(number) if number.isdecimal() else None
    return f"AS{number}" if isinstance(number, int) and 0 < number < 2**32 else ""


def _host_bits(version: int, prefix_length: int) -> int:
    return (32 if version == 4 else 128) - prefix_length

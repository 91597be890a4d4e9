"""Sizes and rates are read as people mean them, and anything else is refused by name."""

from __future__ import annotations

import pytest

from distribute_io.errors import UsageError
from distribute_io.units import format_rate, format_size, parse_rate, parse_size


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("700", 700),
        ("700B", 700),
        ("16MB", 16_000_000),
        ("16mb", 16_000_000),
        ("16 MiB", 16 * 2**20),
        ("1.5KiB", 1536),
        ("5GB", 5_000_000_000),
        ("2TiB", 2 * 2**40),
    ],
)
def test_sizes_are_read(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "1,5MB", "16M", "16MB/s", "8Mbit", "1e6", "٣MB", "9" * 16])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_size(text)
    assert caught.value.code == "bad_argument"
    assert "16MB" in caught.value.message


@pytest.mark.parametrize(
    ("text", "rate"),
    [("1.5MB/s", 1_500_000), ("10Mbit/s", 1_250_000), ("8MiB/s", 8 * 2**20), ("8MB", 8_000_000), ("900/s", 900)],
)
def test_rates_are_read(text: str, rate: int) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0MB/s", "fast", "-1MB/s", "1MB/h", "4bit/s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_rate(text)
    assert caught.value.code == "bad_argument"


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.6, "1.00 kB"),
        (1000, "1.00 kB"),
        (16_000_000, "16.0 MB"),
        (9_996_000, "10.0 MB"),
        (99_960_000, "100 MB"),
        (999_600_000, "1.00 GB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_sizes_are_written_with_three_figures(size_bytes: float, text: str) -> None:
    assert format_size(size_bytes) == text


def test_rates_are_written_with_their_unit() -> None:
    assert format_rate(2_500_000) == "2.50 MB/s"

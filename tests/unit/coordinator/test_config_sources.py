"""Which setting wins, and what is refused."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

from distribute_io.coordinator.config import CoordinatorConfig
from distribute_io.coordinator.config_sources import describe, load, render
from distribute_io.errors import UsageError


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = tmp_path / "serve.toml"
    file.write_text('port = 1\nhost = "file"\ncause = "file"\n')
    loaded = load(
        flags={"port": 3, "host": None}, environment={"DIO_SERVE_PORT": "2", "DIO_SERVE_HOST": "env"}, file=file
    )
    assert (loaded.config.port, loaded.config.host, loaded.config.cause) == (3, "env", "file")
    assert loaded.config.rescan_s == CoordinatorConfig().rescan_s
    assert [loaded.origins[name] for name in ("port", "host", "cause", "rescan_s")] == [
        "flag",
        "environment",
        "file",
        "default",
    ]


def test_the_environment_is_typed() -> None:
    environment = {"DIO_SERVE_ALLOW_PRIVATE_MIRRORS": "true", "DIO_SERVE_TRUSTED_PROXIES": "10.0.0.0/8 ::1/128"}
    config = load(flags={}, environment=environment, file=None).config
    assert config.allow_private_mirrors is True
    assert config.trusted_proxies == ("10.0.0.0/8", "::1/128")


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ({"port": 65_536}, "bad_config"),
        ({"port": -1}, "bad_config"),
        ({"cause": "Not A Cause"}, "bad_config"),
        ({"public_url": "https://example.org/path"}, "bad_config"),
        ({"public_url": "ftp://example.org"}, "bad_config"),
        ({"nonsense": 1}, "bad_config"),
        ({"tls_cert": "cert.pem"}, "bad_config"),
        ({"catalogue": "mysql://x"}, "bad_config"),
        ({"state": "disk://x"}, "bad_config"),
        ({"catalogue": "postgresql://db/dio"}, "not_supported"),
        ({"state": "redis://localhost:6379/0"}, "not_supported"),
    ],
)
def test_a_bad_setting_is_named(flags: dict[str, object], code: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(flags=flags, environment={}, file=None)
    assert caught.value.code == code


def test_a_bad_setting_is_told_by_the_name_it_was_given_under_and_with_what_it_may_be(tmp_path: Path) -> None:
    file = tmp_path / "serve.toml"
    file.write_text('cause = "Not A Cause"\n')

    def said(flags: dict[str, object], environment: dict[str, str], path: Path | None) -> str:
        with pytest.raises(UsageError) as caught:
            load(flags=flags, environment=environment, file=path)
        return caught.value.message

    assert said({"stun_port": 70_000}, {}, None).startswith("--stun-port 70000 is not right. UDP port")
    assert said({"port": 65_536}, {}, None).endswith("From 0 to 65535.")
    for text in ("abc", "70000"):
        assert said({}, {"DIO_SERVE_PORT": text}, None).startswith(f"DIO_SERVE_PORT {text!r} is not right.")
    assert "serve.toml 'Not A Cause' is not right" in said({}, {}, file)
    assert "small letters, digits and hyphens" in said({}, {}, file)


@pytest.mark.parametrize(
    "text", ["prot = 80\n", "port = \n", "port = 'high'\n", "\udcff", "a = '" + "x" * 300_000 + "'"]
)
def test_a_bad_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "serve.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError) as caught:
        load(flags={}, environment={}, file=file)
    assert caught.value.code == "bad_config"


def test_a_missing_file_and_an_unknown_variable_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(flags={}, environment={}, file=tmp_path / "none.toml")
    assert caught.value.code == "file_not_found"
    with pytest.raises(UsageError) as caught:
        load(flags={}, environment={"DIO_SERVE_PROT": "80"}, file=None)
    assert "prot" in caught.value.message
    with pytest.raises(UsageError) as caught:
        load(flags={}, environment={"DIO_SERVE_PORT": "high"}, file=None)
    assert "DIO_SERVE_PORT" in caught.value.message


def test_what_is_printed_can_be_read_back(tmp_path: Path) -> None:
    loaded = load(
        flags={"port": 99, "cause_title": 'Zoë\'s "cause"', "trusted_proxies": ("::1/128",)}, environment={}, file=None
    )
    printed = render(loaded)
    file = tmp_path / "serve.toml"
    file.write_text(printed)
    assert load(flags={}, environment={}, file=file).config == loaded.config
    assert "[flag]\nport = 99" in printed
    assert set(tomllib.loads(printed)) == set(CoordinatorConfig.__struct_fields__)


def test_every_setting_says_what_it_is_for() -> None:
    for field in msgspec.structs.fields(CoordinatorConfig):
        assert len(describe(field)) > 20, field.name

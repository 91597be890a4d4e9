"""Where settings come from, which one wins, and how the outcome is printed (rules: `config.py`)."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from distribute_io.coordinator.config import ENVIRONMENT_PREFIX, CoordinatorConfig
from distribute_io.errors import UsageError

CONFIG_BYTES_MAX: Final = 262_144
"""A configuration file is some kilobytes; more is the wrong file."""


class LoadedConfig(Struct, frozen=True):
    """The configuration, and where each setting came from (`flag`, `environment`, `file` or `default`)."""

    config: CoordinatorConfig
    origins: Mapping[str, str]


def load(*, flags: Mapping[str, object], environment: Mapping[str, str], file: Path | None) -> LoadedConfig:
    """Merge the sources.

    Args:
        flags: settings given on the command line; None stands for "not given".
        environment: the process's environment.
        file: a TOML file, or None.

    Raises:
        UsageError: `bad_config` for an unknown key or a bad value, `file_not_found` for the file itself.

    >>> load(flags={"port": 80}, environment={"DIO_SERVE_PORT": "81"}, file=None).config.port
    80
    """
    layers: tuple[tuple[str, Mapping[str, object]], ...] = (
        ("file", _from_file(file) if file is not None else {}),
        ("environment", _from_environment(environment)),
        ("flag", {name: value for name, value in flags.items() if value is not None}),
    )
    values: dict[str, object] = {}
    origins = dict.fromkeys(CoordinatorConfig.__struct_fields__, "default")
    for origin, layer in layers:
        values |= layer
        origins |= dict.fromkeys(layer, origin)
    try:
        config = msgspec.convert(values, CoordinatorConfig)
    except msgspec.ValidationError as error:
        raise _bad_setting(error, values, origins, file) from error
    _check_together(config)
    return LoadedConfig(config, origins)


def _from_file(file: Path) -> dict[str, object]:
    try:
        with file.open("rb") as stream:
            text = stream.read(CONFIG_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError("file_not_found", f"The configuration {file} cannot be read: {error.strerror}.") from error
    if len(text) > CONFIG_BYTES_MAX:
        raise UsageError("bad_config", f"{file} is larger than {CONFIG_BYTES_MAX} bytes: is it a configuration?")
    try:
        values = tomllib.loads(text.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError("bad_config", f"{file} is no TOML: {error}") from error
    _refuse_unknown(values, f"in {file}")
    return values


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    found = {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): text
        for name, text in environment.items()
        if name.startswith(ENVIRONMENT_PREFIX)
    }
    _refuse_unknown(found, "in the environment")
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(CoordinatorConfig):
        text = found.get(field.name)
        if text is None:
            continue
        if isinstance(field.default, tuple):
            values[field.name] = tuple(text.split())
            continue
        try:
            values[field.name] = msgspec.convert(text, field.type, strict=False)
        except msgspec.ValidationError as error:
            raise _not_right(ENVIRONMENT_PREFIX + field.name.upper(), text, field) from error
    return values


def _bad_setting(
    error: msgspec.ValidationError, values: Mapping[str, object], origins: Mapping[str, str], file: Path | None
) -> UsageError:
    """The setting that did not fit, by the name under which it was given."""
    place = re.search(r"at `\$\.(\w+)", str(error))
    field = next((each for each in msgspec.structs.fields(CoordinatorConfig) if place and each.name == place[1]), None)
    if field is None:
        return UsageError("bad_config", f"A setting is not right: {error}")
    names = {
        "flag": "--" + field.name.replace("_", "-").replace("trusted-proxies", "trusted-proxy"),
        "environment": ENVIRONMENT_PREFIX + field.name.upper(),
        "file": f"{field.name} in {file}",
    }
    return _not_right(names[origins[field.name]], values[field.name], field)


def _not_right(name: str, value: object, field: msgspec.structs.FieldInfo) -> UsageError:
    return UsageError("bad_config", f"{name} {value!r} is not right. {describe(field)}")


def _refuse_unknown(values: Mapping[str, object], where: str) -> None:
    unknown = sorted(set(values) - set(CoordinatorConfig.__struct_fields__))
    if unknown:
        raise UsageError("bad_config", f"Unknown setting {unknown[0]!r} {where}; `dio serve --print-config` lists all.")


def _check_together(config: CoordinatorConfig) -> None:
    """What one field alone cannot say."""
    if bool(config.tls_cert) != bool(config.tls_key):
        raise UsageError("bad_config", "tls_cert and tls_key belong together: give both or none.")
    if config.catalogue.startswith("postgresql:"):
        raise UsageError("not_supported", "A catalogue in PostgreSQL belongs to a later release; use sqlite:///PATH.")
    if config.catalogue and not config.catalogue.startswith("sqlite:///"):
        raise UsageError("bad_config", f"The catalogue must be sqlite:///PATH, not {config.catalogue!r}.")
    if config.state.startswith(("redis:", "rediss:", "valkey:")):
        raise UsageError("not_supported", "State in Redis or Valkey belongs to a later release; use memory://.")
    if config.state != "memory://":
        raise UsageError("bad_config", f"The state must be memory://, not {config.state!r}.")


def render(loaded: LoadedConfig) -> str:
    """The configuration as a commented TOML file, each setting with its range and where it came from."""
    blocks = []
    for field in msgspec.structs.fields(CoordinatorConfig):
        value = getattr(loaded.config, field.name)
        comment = f"# {describe(field)} [{loaded.origins[field.name]}]"
        blocks.append(f"{comment}\n{field.name} = {_toml(value)}\n")
    return "\n".join(blocks)


def describe(field: msgspec.structs.FieldInfo) -> str:
    """What a setting means, with its range."""
    node: Any = msgspec.inspect.type_info(field.type)  # Any: which kind of node it is differs by the field's type
    text = ""
    while isinstance(node, msgspec.inspect.Metadata):
        text = (node.extra_json_schema or {}).get("description", text)
        node = node.type
    low, high = getattr(node, "ge", None), getattr(node, "le", None)
    return text if low is None else f"{text} From {low} to {high}."


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    # TOML's basic strings, booleans and integers are written as JSON writes them.
    return json.dumps(value, ensure_ascii=False)

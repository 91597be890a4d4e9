"""JSON that means the same to every reader, or is refused (spec/manifest.md section 3).

Two parsers that disagree about one text let a signature cover something else than what is acted upon. Hence refused:

- bytes that are not UTF-8, a byte-order mark, unpaired surrogates (escaped ones too);
- an object that has a key twice;
- numbers with a fraction or exponent, `-0`, integers outside ±(2**53 - 1), `NaN`, `Infinity`;
- more than `DEPTH_MAX` nested arrays and objects;
- anything but white space around the one value.

Does not know what a manifest is. `client/src/core/strict-json.ts` is the same in TypeScript.
"""

from __future__ import annotations

import json
from typing import NoReturn, TypeAlias

from distribute_io.errors import ManifestError
from distribute_io.manifest.limits import DEPTH_MAX, INTEGER_MAX

JsonValue: TypeAlias = bool | int | str | list["JsonValue"] | dict[str, "JsonValue"] | None
"""What strict JSON can hold: no floats."""


def parse_strict_json(data: bytes, *, what: str) -> JsonValue:
    """Parse one JSON text strictly.

    Args:
        data: the text in UTF-8. The caller bounds its length; time and memory are linear in it.
        what: what the text is, for the error's message.

    Raises:
        ManifestError: `manifest_malformed` for everything that the module's rules refuse.

    Example:
        >>> parse_strict_json(b'{"a": [1, true]}', what="example")
        {'a': [1, True]}
    """
    try:
        value: JsonValue = json.loads(
            data.decode("utf-8", "strict"),
            object_pairs_hook=_object,
            parse_float=_refuse_number,
            parse_int=_integer,
            parse_constant=_refuse_number,
        )
        _check(value, depth=0)
    except (ValueError, RecursionError) as error:
        # UnicodeDecodeError and JSONDecodeError are ValueErrors; CPython's scanner ends deep nesting by RecursionError.
        raise ManifestError("manifest_malformed", f"The {what} is no strict JSON: {error}.") from error
    return value


def _object(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object has a key twice")
    return result


def _integer(text: str) -> int:
    # Length first: converting a million digits takes quadratic time.
    if len(text) > len(str(-INTEGER_MAX)) or text == "-0" or abs(int(text)) > INTEGER_MAX:
        raise ValueError(f"{text[:20]} is no integer between -(2^53 - 1) and 2^53 - 1")
    return int(text)


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is no integer")


def _check(value: JsonValue, *, depth: int) -> None:
    """Refuse unpaired surrogates and what is nested too deeply. `depth`: arrays and objects around `value`."""
    if isinstance(value, str):
        value.encode("utf-8", "strict")
    elif isinstance(value, list | dict):
        if depth == DEPTH_MAX:
            raise ValueError(f"more than {DEPTH_MAX} nested arrays and objects")
        if isinstance(value, dict):
            for key in value:
                _check(key, depth=depth)
            value = list(value.values())
        for member in value:
            _check(member, depth=depth + 1)

"""Bearer tokens: what a publisher's program shows to change the catalogue (RFC 6750).

A token is `dio_` and 256 random bits. The catalogue keeps only its SHA-256: a token has far too many bits to be
guessed, so a slow password hash would only make a request slow, and a look-up by hash needs no constant-time compare.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from distribute_io.errors import RefusedError
from distribute_io.ids import CauseId
from distribute_io.stores.catalogue import Catalogue, TokenRecord

ANY: Final = "*"
"""A scope that covers all causes, or all origins."""

_PREFIX: Final = "dio_"
_TOKEN_CHARS_MAX: Final = 256


def new_token(*, label: str, causes: Sequence[str], origins: Sequence[str], now_s: int) -> tuple[str, TokenRecord]:
    """A new token: its text, to be shown once, and what the catalogue keeps of it."""
    text = _PREFIX + secrets.token_urlsafe(32)
    record = TokenRecord(
        token_id=secrets.token_hex(8),
        sha256=_digest(text),
        label=label,
        causes=tuple(causes),
        origins=tuple(origins),
        created_at_s=now_s,
    )
    return text, record


async def authenticate(request: web.Request, catalogue: Catalogue) -> TokenRecord:
    """The token that a request shows.

    Raises:
        RefusedError: `token_missing` or `token_invalid`.
    """
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise RefusedError("token_missing", "This needs a token: `dio token create` on the server makes one.")
    token = None
    if len(text) <= _TOKEN_CHARS_MAX:
        token = await catalogue.token_by_hash(_digest(text.strip()))
    if token is None or token.revoked_at_s is not None:
        raise RefusedError("token_invalid", "The token is unknown or was revoked.")
    return token


def require_cause(token: TokenRecord, cause: CauseId) -> None:
    """Check that the token may publish in `cause`.

    Raises:
        RefusedError: `token_scope`.
    """
    if not covers_cause(token, cause):
        raise RefusedError("token_scope", f"The token does not cover the cause {cause!r}.")


def covers_cause(token: TokenRecord, cause: CauseId) -> bool:
    """Whether the token may publish in `cause`."""
    return ANY in token.causes or cause in token.causes


def covers_origin(token: TokenRecord, origin: str) -> bool:
    """Whether the token may claim links of `origin` without proof."""
    return ANY in token.origins or origin in token.origins


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

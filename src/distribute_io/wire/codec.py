"""Session messages to and from JSON text; the only place where the shape of a message is checked."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from distribute_io.errors import RemoteProtocolError
from distribute_io.wire.limits import MESSAGE_BYTES_MAX
from distribute_io.wire.session import AnySignal, ClientMessage, CoordinatorMessage

_CLIENT: Final[msgspec.json.Decoder[ClientMessage]] = msgspec.json.Decoder(ClientMessage)
_COORDINATOR: Final[msgspec.json.Decoder[CoordinatorMessage]] = msgspec.json.Decoder(CoordinatorMessage)
_SIGNAL: Final[msgspec.json.Decoder[AnySignal]] = msgspec.json.Decoder(AnySignal)
_ENCODER: Final = msgspec.json.Encoder()
_TAG_ERRORS: Final = ("at `$.type`", "at `$.kind`", "required field `type`", "required field `kind`")

_T = TypeVar("_T")


def encode_message(message: ClientMessage | CoordinatorMessage | AnySignal) -> bytes:
    """The UTF-8 JSON of a message or of a signalling payload."""
    return _ENCODER.encode(message)


def decode_client_message(text: bytes | str) -> ClientMessage:
    """Parse what a client sent.

    Raises:
        RemoteProtocolError: `message_too_large`, `message_malformed` or `message_unknown`.
    """
    return _decode(_CLIENT, text)


def decode_coordinator_message(text: bytes | str) -> CoordinatorMessage:
    """Parse what a coordinator sent. Raises as `decode_client_message`."""
    return _decode(_COORDINATOR, text)


def decode_signal(payload: msgspec.Raw) -> AnySignal:
    """Parse what the other peer sent through the coordinator. Raises as `decode_client_message`."""
    return _decode(_SIGNAL, bytes(payload))


def _decode(decoder: msgspec.json.Decoder[_T], text: bytes | str) -> _T:
    size_bytes = len(text) if isinstance(text, bytes) else len(text.encode())
    if size_bytes > MESSAGE_BYTES_MAX:
        raise RemoteProtocolError("message_too_large", f"A message of {size_bytes} bytes exceeds {MESSAGE_BYTES_MAX}.")
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        # msgspec tells an unknown or missing tag only by its text: "Invalid value 'x' - at `$.type`" and
        # "Object missing required field `type`".
        unknown = str(error).endswith(_TAG_ERRORS)
        code = "message_unknown" if unknown else "message_malformed"
        raise RemoteProtocolError(code, f"A message is not well-formed: {error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RemoteProtocolError("message_malformed", f"A message is no JSON: {error}.") from error

"""The error tree: who must act, and a stable code for what happened.

Rules:

- Every error of ours is a `DistributeError` of one family below; the family says who must act.
- `code` is an interface (listed in `spec/errors.md`, equal in Python, TypeScript, on the wire, in problem documents
  and in the command line); the text is a service: what happened, to which file or source, and the next step.
- A code belongs to exactly one family. Using a code that `CODES` does not list is a bug and raises at once.
- Cancellation is not an error. Library exceptions are turned into one of these once, at the boundary.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Final


class DistributeError(Exception):
    """Base of all errors of this project.

    Args:
        code: a stable code out of `CODES[family]`.
        message: what happened and the next step, in plain words. Holds no IP address and no secret. Characters that
            are not printable become `?`: parts of it may be a stranger's words, and a terminal obeys escape sequences.
    """

    family: ClassVar[str] = ""

    def __init__(self, code: str, message: str) -> None:
        if code not in CODES[self.family]:
            raise LookupError(f"{code!r} is not a code of the {self.family!r} family: see spec/errors.md")
        printable = "".join(character if character.isprintable() else "?" for character in message)
        super().__init__(printable)
        self.code: Final = code
        self.message: Final = printable

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Callable[..., DistributeError], tuple[str, str]]:
        """How another process gets it: an exception is made again from its `args`, and these lack the code."""
        return type(self), (self.code, self.message)


class UsageError(DistributeError):
    """Our caller asked for something that cannot be done: correct the call."""

    family = "usage"


class RemoteProtocolError(DistributeError):
    """The other end of a session or a peer connection broke the protocol: disconnect it."""

    family = "protocol"


class SourceError(DistributeError):
    """One mirror or peer could not deliver: try elsewhere.

    Args:
        retry_after_us: the source's own word when it may be asked again, in microseconds; None if it said nothing.
    """

    family = "source"

    def __init__(self, code: str, message: str, *, retry_after_us: int | None = None) -> None:
        super().__init__(code, message)
        self.retry_after_us: Final = retry_after_us

    def __reduce__(self) -> tuple[Callable[..., DistributeError], tuple[str, str]]:
        return partial(type(self), retry_after_us=self.retry_after_us), (self.code, self.message)


class IntegrityError(DistributeError):
    """Bytes or signatures are not what the publisher signed: discard, blame, never deliver."""

    family = "integrity"


class ManifestError(DistributeError):
    """A manifest is malformed: its publisher must act."""

    family = "manifest"


class RefusedError(DistributeError):
    """The coordinator said no: a token, a claim, a limit or an unknown thing."""

    family = "refused"


class StoreError(DistributeError):
    """Our own disk or database failed: the operator or the user must act."""

    family = "store"


CODES: Final[dict[str, dict[str, str]]] = {
    "usage": {
        "bad_argument": "An option or argument is malformed or out of range.",
        "bad_config": "The configuration file has an unknown key or a bad value.",
        "not_supported": "This option belongs to a later release.",
        "file_exists": "The output file is there already and is not a resumable part of this download.",
        "key_exists": "A key file is there already and is never overwritten.",
        "key_unreadable": "The key file cannot be read or is no Ed25519 key.",
        "file_not_found": "A file or folder that was named is not there.",
        "other_folder": "The data directory belongs to another folder, whose files would be taken down.",
        "not_a_file": "Only regular files can be published.",
        "port_in_use": "Another program listens on the port.",
        "insecure_context": "The page is not a secure context, so the browser gives it no hashing and no storage.",
        "unsupported_browser": "The browser lacks something that is needed.",
        "part_unavailable": "A part of the page's script could not be loaded.",
        "cancelled": "The user stopped it.",
        "no_sources": "Nothing is known that could deliver the file.",
        "dependency_missing": "A program or library that the command needs is not installed.",
    },
    "protocol": {
        "message_malformed": "A message is no valid JSON object of its type.",
        "message_too_large": "A message exceeds the limit of spec/session.md.",
        "message_unknown": "The message type does not exist.",
        "message_unexpected": "The message type is not allowed in the present state.",
        "protocol_version": "The ends speak no common protocol version.",
        "flood": "More messages came in than the limit allows.",
        "hello_timeout": "No hello came in time.",
        "idle_timeout": "Nothing was heard for too long.",
        "slow_reader": "The other end does not read fast enough.",
        "frame_malformed": "A peer frame cannot be parsed.",
        "frame_too_large": "A peer frame exceeds the agreed size.",
        "frame_unknown": "The peer frame type does not exist.",
        "frame_unexpected": "The peer frame is not allowed in the present state.",
        "grant_exceeded": "A donor sent more bytes than were granted.",
        "unrequested_data": "A donor sent bytes that nobody requested.",
        "request_limit": "A downloader has too many open requests.",
        "ticket_unknown": "The ticket is not of a match of ours.",
        "ticket_expired": "The ticket is older than it may be.",
        "ticket_used": "The ticket has been used before.",
        "ticket_stolen": "The proof of the ticket is not for this connection.",
        "match_unknown": "The message names a match that this session is not part of.",
        "receipt_invalid": "The receipt's MAC, order or amount is wrong.",
    },
    "source": {
        "mirror_unreachable": "The mirror did not answer (network, DNS, TLS or CORS: a page cannot tell which).",
        "mirror_status": "The mirror answered with an error status.",
        "mirror_missing": "The mirror does not have the file (404 or 410).",
        "mirror_forbidden": "The mirror does not give us the file (401, 403 or 451).",
        "mirror_busy": "The mirror asked to be left alone for a while (429 or 503).",
        "mirror_ignores_range": "The mirror sends the whole file where a range was asked.",
        "mirror_wrong_range": "The mirror sent another range than was asked.",
        "mirror_truncated": "The mirror ended the answer early.",
        "mirror_file_changed": "The mirror holds a file of another size or digest.",
        "mirror_private_address": "The mirror is on a private, loopback or link-local address.",
        "mirror_insecure": "The page is https and the mirror is only http.",
        "mirror_redirects": "The mirror redirects too often, or to where we do not go.",
        "mirror_no_cors": "The mirror sends no CORS header, so pages cannot use it.",
        "mirror_local_network": "The browser does not let this page reach the local network.",
        "mirror_tls": "The mirror's TLS certificate is not valid.",
        "mirror_too_slow": "The mirror sends less than is worth asking it for.",
        "stalled": "No byte came for too long.",
        "slow": "Other sources are many times as fast.",
        "peer_unreachable": "No connection to the peer came about.",
        "peer_closed": "The peer went away.",
        "peer_refused": "The peer does not serve what was requested.",
        "not_held": "The donor does not hold the segment.",
        "over_budget": "The donor's limit is used up.",
        "busy": "The donor serves as many as it allows.",
        "no_channel": "The connection opened no data channel in time.",
    },
    "integrity": {
        "untrusted_manifest": "None of the pinned keys signed the manifest.",
        "bad_signature": "A signature does not fit the manifest.",
        "segment_mismatch": "A segment's SHA-256 is not the one in the list.",
        "file_mismatch": "The whole file's SHA-256 is not the one in the manifest.",
        "segment_list_mismatch": "The segment list is not the one that the manifest names.",
        "manifest_expired": "The manifest is past its expiry.",
        "manifest_not_yet_valid": "The manifest is dated in the future by more than a day.",
        "manifest_rollback": "The manifest is older than one seen before.",
        "file_id_mismatch": "The manifest is for another file than was asked for.",
        "all_sources_lie": "Every source delivered wrong bytes.",
    },
    "manifest": {
        "manifest_too_large": "The manifest exceeds its limit.",
        "manifest_malformed": "The manifest is no strict JSON, or a field is missing or of another type.",
        "manifest_unknown_format": "The manifest is of a format, payload type or type that this version does not know.",
        "manifest_bad_name": "The file name is not one that can be delivered safely.",
        "manifest_bad_size": "The size is negative, too large, or does not fit the segment list.",
        "manifest_bad_segment_size": "The segment size is not the one that follows from the size.",
        "manifest_bad_digest": "A digest is not 64 lower-case hexadecimal digits.",
        "manifest_bad_mirror": "A mirror's URL cannot be used.",
        "manifest_bad_cause": "The cause's name is not well-formed.",
        "manifest_bad_time": "A time stamp is malformed, or the expiry precedes the publication.",
        "file_changed": "The file changed while it was read.",
    },
    "refused": {
        "unknown_file": "The coordinator knows no such file.",
        "unknown_route": "There is no such address.",
        "unknown_cause": "The coordinator knows no such cause.",
        "unknown_link": "No file is known by this link.",
        "unknown_session": "Nobody is here who has this session.",
        "link_changed": "The link leads to another file than the coordinator knows it by.",
        "bad_request": "The request is malformed.",
        "bad_range": "The range lies outside the file.",
        "body_too_large": "The request body exceeds its limit.",
        "method_not_allowed": "The address exists, but not with this method.",
        "token_missing": "The request needs a bearer token.",
        "token_invalid": "The token is unknown or was revoked.",
        "token_scope": "The token does not cover this cause or origin.",
        "name_taken": "The name belongs to another key in this cause.",
        "link_taken": "The link belongs to another file.",
        "link_unproven": "The link lies outside the token's origins and its bytes do not match.",
        "version_not_newer": "A manifest with the same or a higher version is there already.",
        "taken_down": "The file was withdrawn.",
        "rate_limited": "Too many requests: try again later.",
        "kept_out": "Too much went wrong with sessions from this network: come back later.",
        "full": "A limit of the coordinator is reached: try again later.",
        "shutting_down": "The coordinator is stopping.",
        "internal": "The coordinator failed; its log says why.",
        "coordinator_unreachable": "The coordinator did not answer.",
        "coordinator_malformed": "The coordinator's answer cannot be understood.",
    },
    "store": {
        "disk_full": "There is no room left.",
        "quota_exceeded": "The browser gives this site no more room.",
        "store_unreadable": "A file of the store cannot be read or written.",
        "store_in_use": "Another process or tab uses this store.",
        "save_interrupted": "The browser, or the visitor in its list of downloads, ended the saving of the file.",
        "saver_gone": "The service worker that was saving the file has ended.",
        "store_version": "The store was written by a newer version.",
        "catalogue_failed": "The catalogue's database failed.",
    },
}
"""Every code by family, with its meaning. `spec/errors.md` is generated from this table."""

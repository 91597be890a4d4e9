"""Writes `spec/vectors/manifest/documents.json`: whole documents, each with one fault or none.

Built from the prose of spec/manifest.md with the standard library and `cryptography` alone, and not with
`distribute_io.manifest`: a fault of the package must not get into its vectors. `--check` says whether it is fresh.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

TARGET = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "manifest" / "documents.json"
PAYLOAD_TYPE = "application/vnd.distribute-io.manifest+json"
NOW_S = 1_794_985_600  # 2026-11-18T07:06:40Z
DAY_S = 86_400

Json = dict[str, Any]  # Any: JSON of every shape, also of wrong ones


def b64(data: bytes) -> str:
    """Standard base64."""
    return base64.b64encode(data).decode()


def compact(value: object) -> bytes:
    """JSON as short as it gets; unpaired surrogates are written as they are."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


class Key:
    """A key of the vectors; its seed is the SHA-256 of its name."""

    def __init__(self, name: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
        self.text = "ed25519:" + b64(self._key.public_key().public_bytes_raw())

    def sign(self, payload: bytes, payload_type: str = PAYLOAD_TYPE, keyid: str | None = None) -> Json:
        kind = payload_type.encode()
        message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
        return {"sig": b64(self._key.sign(message)), "keyid": self.text if keyid is None else keyid}


PUBLISHER, OTHER, STRANGER = Key("publisher"), Key("other"), Key("stranger")

CONTENT = bytes(index % 251 for index in range(700_000))
SEGMENTS = b"".join(hashlib.sha256(CONTENT[at : at + 262_144]).digest() for at in range(0, 700_000, 262_144))
PAYLOAD: Json = {
    "format": 1,
    "type": "file",
    "name": "example.iso",
    "size_bytes": 700_000,
    "media_type": "application/octet-stream",
    "sha256": hashlib.sha256(CONTENT).hexdigest(),
    "segment_size_bytes": 262_144,
    "segments_sha256": hashlib.sha256(SEGMENTS).hexdigest(),
    "cause": "examples",
    "version": NOW_S,
    "published_at": "2026-11-18T07:06:40Z",
}
MIRRORS: list[Json] = [
    {"url": "https://mirror.example/pub/example.iso", "priority": 1, "location": "de"},
    {"url": "http://mirror2.example:8080/example.iso"},
]


def envelope(payload: bytes, *signatures: Json) -> Json:
    """A DSSE envelope with these signatures, whatever they are."""
    return {"payloadType": PAYLOAD_TYPE, "payload": b64(payload), "signatures": list(signatures)}


def document(payload: bytes, *keys: Key) -> Json:
    """A faultless document around some payload bytes."""
    signed = envelope(payload, *(key.sign(payload) for key in keys or (PUBLISHER,)))
    return {"envelope": signed, "mirrors": copy.deepcopy(MIRRORS), "segments": b64(SEGMENTS)}


VECTORS: list[Json] = []


def add(name: str, data: bytes, expect: str, **options: Any) -> None:  # Any: what the vector's fields hold
    """One vector. `expect` is "accept" or the code of the error."""
    try:
        source: Json = {"document": data.decode()}
    except UnicodeDecodeError:
        source = {"document_base64": b64(data)}
    VECTORS.append(
        {"name": name, "expect": expect, "pins": [PUBLISHER.text], "now_s": NOW_S} | options | source,
    )


def accept(name: str, data: Json, payload: Json, **options: Any) -> None:  # Any: as `add`
    """A vector that is accepted; `payload` says what is then known of the file."""
    signed_by = options.pop("signed_by", [PUBLISHER.text])
    raw = base64.b64decode(data["envelope"]["payload"])
    add(
        name,
        compact(data),
        "accept",
        manifest={key: value for key, value in payload.items() if key in {*PAYLOAD, "expires_at"}},
        signed_by=signed_by,
        payload_sha256=hashlib.sha256(raw).hexdigest(),
        **options,
    )


def reject_payload(name: str, code: str, change: Json | bytes, **options: Any) -> None:  # Any: as `add`
    """A payload with one fault, signed by the publisher. A field set to None is left out."""
    if isinstance(change, bytes):
        payload = change
    else:
        payload = compact({key: value for key, value in (PAYLOAD | change).items() if value is not None})
    add(name, compact(document(payload)), code, **options)


def reject_document(name: str, code: str, change: Callable[[Json], object], **options: Any) -> None:  # Any: as `add`
    """A document around a faultless payload, changed after it was signed."""
    value = document(compact(PAYLOAD))
    change(value)
    add(name, compact(value), code, **options)


def put(**fields: Any) -> Callable[[Json], object]:  # Any: JSON of every shape
    """A change to a document: these fields get these values."""
    return lambda value: value.update(fields)


def payload_text(old: str, new: str) -> bytes:
    """The faultless payload with one piece of its text replaced."""
    text = compact(PAYLOAD).decode()
    assert old in text
    return text.replace(old, new, 1).encode()


def without_segments(payload: Json) -> Json:
    """A document whose segment list is elsewhere."""
    value = document(compact(payload))
    del value["segments"]
    return value | {"segments_url": "https://coordinator.example/list.segments"}


def accepted() -> None:
    """Documents without a fault, at the edges of what is allowed."""
    plain = compact(PAYLOAD)
    accept("plain", document(plain), PAYLOAD)
    accept("no key pinned", document(plain), PAYLOAD, pins=[])
    accept("the second pin signed", document(plain), PAYLOAD, pins=[STRANGER.text, PUBLISHER.text])
    accept("the second signature is of a pinned key", document(plain, OTHER, PUBLISHER), PAYLOAD)
    accept(
        "two pinned keys signed",
        document(plain, OTHER, PUBLISHER),
        PAYLOAD,
        pins=[PUBLISHER.text, OTHER.text],
        signed_by=[OTHER.text, PUBLISHER.text],
    )
    lying = document(plain)
    lying["envelope"] = envelope(plain, PUBLISHER.sign(plain, keyid=STRANGER.text))
    accept("keyid names another key, but a pinned one signed", lying, PAYLOAD)
    bad_first = document(plain)
    bad_first["envelope"] = envelope(plain, OTHER.sign(b"something else"), PUBLISHER.sign(plain))
    accept("one signature fits nothing, another does", bad_first, PAYLOAD, pins=[])
    short = document(plain)
    short["envelope"]["signatures"].insert(0, {"sig": b64(b"of another algorithm"), "keyid": "x"})
    accept("a signature of another length is passed over", short, PAYLOAD)
    eight = document(plain, *(Key(f"key {number}") for number in range(7)), PUBLISHER)
    accept("eight signatures", eight, PAYLOAD)
    unknown = PAYLOAD | {"colour": {"deep": [1, 2, {"three": None}]}, "flag": True}
    accept("unknown fields are ignored in the payload", document(compact(unknown)), unknown)
    accept("unknown fields are ignored in the document", document(plain) | {"comment": "hello"}, PAYLOAD)
    spaced = json.dumps(PAYLOAD, indent=2).encode()
    accept("the payload has white space", document(spaced), PAYLOAD)
    escaped = payload_text("example.iso", "\\u0065x\\u00e4mple-\\ud83d\\ude00.iso")
    accept("the name is escaped", document(escaped), PAYLOAD | {"name": "exämple-😀.iso"})
    for name in (
        "12.5/debian-12.5.0-amd64.iso",
        "übungen/データ 1.csv",
        'what? "a": 50%.iso',
        "a" * 255,
        "x/" * 511 + "yz",
    ):
        named = PAYLOAD | {"name": name}
        accept(f"name {name[:40]}", document(compact(named)), named)
    accept("no mirrors", {key: value for key, value in document(plain).items() if key != "mirrors"}, PAYLOAD)
    accept("release announced", document(plain) | {"release_at": "2026-12-01T10:00:00Z"}, PAYLOAD)
    urls = (
        "https://[2001:db8::1]:8443/a%20b.iso?x=1&y=[2]",
        "http://localhost",
        "https://xn--bcher-kva.example/",
        "https://mirror.example:65535/~user/(1)/'a';b=c,d!*+$@:",
    )
    listed = document(plain) | {"mirrors": [{"url": url, "priority": 999_999, "location": None} for url in urls]}
    accept("mirrors of every form", listed, PAYLOAD)

    empty_digest = hashlib.sha256(b"").hexdigest()
    empty = PAYLOAD | {"size_bytes": 0, "sha256": empty_digest, "segments_sha256": empty_digest}
    accept("an empty file", document(compact(empty)) | {"segments": ""}, empty)
    for size_bytes, segment_size_bytes in (
        (1, 2**18),
        (2**22 - 1, 2**18),
        (2**22, 2**20),
        (2**33, 2**20),
        (2**33 + 1, 2**21),
        (2**35, 2**21),
        (2**35 + 1, 2**22),
        (2**40, 2**22),
    ):
        sized = PAYLOAD | {"size_bytes": size_bytes, "segment_size_bytes": segment_size_bytes}
        accept(f"{size_bytes} bytes, list elsewhere", without_segments(sized), sized)

    expiring = PAYLOAD | {"expires_at": "2026-11-19T07:06:40Z"}
    accept("expired for a day", document(compact(expiring)), expiring, now_s=NOW_S + 2 * DAY_S)
    accept("published a day from now", document(plain), PAYLOAD, now_s=NOW_S - DAY_S)
    leap = PAYLOAD | {"published_at": "2024-02-29T23:59:59Z", "expires_at": "9999-12-31T23:59:59Z"}
    accept("the last days of February and of time", document(compact(leap)), leap)
    accept("the version that was seen", document(plain), PAYLOAD, seen_version=PAYLOAD["version"])
    accept("the file that was asked for", document(plain), PAYLOAD, file_id=PAYLOAD["sha256"])
    highest = PAYLOAD | {"version": 2**53 - 1}
    accept("the highest version", document(compact(highest)), highest)


def too_large() -> None:
    """Each bound, exceeded by a little."""
    code, plain = "manifest_too_large", compact(PAYLOAD)
    add("above the limit with segments", compact(document(plain)), code, pad_to_bytes=11_250_349)
    add(
        "above the limit without its segments", compact(document(plain)), code, pad_to_bytes=65_537 + len(b64(SEGMENTS))
    )
    reject_payload("payload above its limit", code, {"filler": "x" * 16_384})
    reject_document(
        "nine signatures", code, lambda d: d["envelope"]["signatures"].extend(d["envelope"]["signatures"] * 8)
    )
    many = [{"url": "http://m.example/"}] * 257
    reject_document("257 mirrors", code, put(mirrors=many))


def malformed_documents() -> None:
    """What is no strict JSON, or not of a document's shape."""
    code, plain = "manifest_malformed", compact(document(compact(PAYLOAD)))
    add("nothing", b"", code)
    add("truncated", plain[:-100], code)
    add("something follows", plain + b"{}", code)
    add("a byte-order mark", b"\xef\xbb\xbf" + plain, code)
    add("not UTF-8", plain.replace(b'"segments"', b'"\xff":1,"segments"'), code)
    add("UTF-8 longer than needed", plain.replace(b'"segments"', b'"\xc0\xaf":1,"segments"'), code)
    add("a surrogate in UTF-8", plain.replace(b'"segments"', b'"\xed\xa0\x80":1,"segments"'), code)
    add("a key twice", plain.replace(b'"mirrors"', b'"mirrors":[],"mirrors"'), code)
    add("a key twice, once escaped", plain.replace(b'"mirrors"', b'"m\\u0069rrors":[],"mirrors"'), code)
    add("an array", b"[" + plain + b"]", code)
    add("a string", b'"envelope"', code)
    add("a comment", b"/* x */" + plain, code)
    add("a trailing comma", plain[:-1] + b",}", code)
    add("single quotes", b"{'envelope':1}", code)
    add("a control character in a string", plain.replace(b"example/pub", b"example/\tpub"), code)
    reject_document("17 levels", code, put(x=json.loads("[" * 16 + "]" * 16)))
    add("100,000 levels", b"[" * 100_000, code)
    reject_document("no envelope", code, lambda d: d.pop("envelope"))
    reject_document("envelope is a string", code, put(envelope="x"))
    reject_document("no payload", code, lambda d: d["envelope"].pop("payload"))
    reject_document("no signatures field", code, lambda d: d["envelope"].pop("signatures"))
    reject_document("a signature without sig", code, lambda d: d["envelope"]["signatures"][0].pop("sig"))
    reject_document("mirrors is an object", code, put(mirrors={}))
    reject_document("neither segments nor segments_url", code, lambda d: d.pop("segments"))
    reject_document("segments are no base64", code, put(segments="!!!!"))
    reject_document("segments are a number", code, put(segments=7))

    def encode_payload(change: Callable[[str], str]) -> Callable[[Json], object]:
        return lambda d: d["envelope"].update(payload=change(d["envelope"]["payload"]))

    reject_document("payload without padding", code, encode_payload(lambda _text: "e30"))
    reject_document("payload with a line break", code, encode_payload(lambda text: text[:76] + "\n" + text[76:]))
    reject_document("payload in the URL's base64", code, encode_payload(lambda text: text[:4] + "-_-_" + text[8:]))
    reject_document("payload with stray bits", code, encode_payload(lambda _text: "e31="))
    reject_document("sig is no base64", code, lambda d: d["envelope"]["signatures"][0].update(sig="*"))


def malformed_payloads() -> None:
    """The same, inside the signature."""
    code = "manifest_malformed"
    plain = compact(PAYLOAD)
    reject_payload("payload truncated", code, plain[:-10])
    reject_payload("payload is an array", code, b"[" + plain + b"]")
    reject_payload("payload is not UTF-8", code, payload_text("example.iso", "@").replace(b"@", b"\xe4.iso"))
    reject_payload("payload has a key twice", code, payload_text('"version"', '"version":2,"version"'))
    reject_payload("payload has an unpaired surrogate", code, payload_text("example.iso", "\\ud800.iso"))
    for text in ("700000.0", "7e5", "-0", "9007199254740992", "1" * 400, "NaN", "Infinity", "0700000", "+1", "0x10"):
        reject_payload(f"size is {text[:20]}", code, payload_text("700000", text))
    for field in PAYLOAD:
        if field not in ("type", "format"):
            reject_payload(f"{field} is missing", code, {field: None})
            wrong: object = "1" if isinstance(PAYLOAD[field], int) else 1
            reject_payload(f"{field} is of another type", code, {field: wrong})
    reject_payload("format is missing", code, {"format": None})
    reject_payload("format is true", code, payload_text('"format":1', '"format":true'))
    reject_payload("format is a string", code, {"format": "1"})
    reject_payload("version is true", code, {"version": True})
    reject_payload("version is 0", code, {"version": 0})
    reject_payload("expires_at is null", code, payload_text('"cause"', '"expires_at":null,"cause"'))
    for media_type in (
        "",
        "text",
        "text/",
        "Text/Plain",
        "text/plain; charset=utf-8",
        "text/plain\n",
        "a/" + "b" * 128,
    ):
        reject_payload(f"media type {media_type[:24]!r}", code, {"media_type": media_type})


def fields() -> None:
    """Well-formed fields with values that are refused."""
    reject_payload("format 2", "manifest_unknown_format", {"format": 2, "name": None})
    reject_payload("type delegation", "manifest_unknown_format", {"type": "delegation"})
    reject_payload("no type", "manifest_unknown_format", {"type": None})
    names = (
        "", ".", "..", "../x", "a/../b", "a/./b", "/etc/passwd", "a//b", "a/", ".bashrc", "a/.ssh/b", "a\\b", "C:/x",
        "c:x", "a\0b", "a\nb", "a\x7fb", "a\x85b", "exe.\u202eosi", "a\u2066b", "a\u2028b", "\ufeffa", "a\uffffb",
        "a.", "a /b", " a", "a. ", "x" * 256, "ä" * 128, "x/" * 512 + "y",
    )  # fmt: skip
    for name in names:
        reject_payload(f"name {name[:24]!a}", "manifest_bad_name", {"name": name})
    for cause in ("", "Linux", "-a", "a b", "a_b", "a" * 65, "a\n", "ä"):
        reject_payload(f"cause {cause[:24]!a}", "manifest_bad_cause", {"cause": cause})
    for size_bytes in (-1, -(2**53) + 1, 2**40 + 1, 2**53 - 1):
        reject_payload(f"{size_bytes} bytes", "manifest_bad_size", {"size_bytes": size_bytes})
    for segment_size_bytes in (0, -1, 1, 2**18 - 1, 2**20, 2**53 - 1):
        reject_payload(
            f"segments of {segment_size_bytes}", "manifest_bad_segment_size", {"segment_size_bytes": segment_size_bytes}
        )
    reject_payload("4 MiB in fine segments", "manifest_bad_segment_size", {"size_bytes": 2**22})
    good = str(PAYLOAD["sha256"])
    for digest in ("", good[:-1], good + "0", good.upper(), good[:-1] + "g", good + "\n"):
        for field in ("sha256", "segments_sha256"):
            reject_payload(f"{field} {digest[-8:]!a} of {len(digest)}", "manifest_bad_digest", {field: digest})
    times = (
        "", "2026-11-18", "2026-11-18T07:06:40", "2026-11-18T07:06:40+00:00", "2026-11-18t07:06:40z",
        "2026-11-18 07:06:40Z", "2026-11-18T07:06:40.5Z", "2026-02-29T00:00:00Z", "2026-04-31T00:00:00Z",
        "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "1969-12-31T23:59:59Z",
        "2026-11-18T07:06:40Z\n", "٢٠٢٦-11-18T07:06:40Z",
    )  # fmt: skip
    for time in times:
        reject_payload(f"published at {time!a}", "manifest_bad_time", {"published_at": time})
    reject_payload("expiry malformed", "manifest_bad_time", {"expires_at": "tomorrow"})
    reject_payload("expires when published", "manifest_bad_time", {"expires_at": PAYLOAD["published_at"]})
    reject_document("release malformed", "manifest_bad_time", put(release_at="soon"))


def mirrors() -> None:
    """Addresses that are refused."""
    code = "manifest_bad_mirror"
    urls = (
        "", "example.iso", "//mirror.example/a", "ftp://mirror.example/a", "javascript:alert(1)", "HTTP://mirror.example/a",
        "http://", "http:///a", "http://user@mirror.example/a", "http://u:p@mirror.example/a", "http://mirror.example/a#b",
        "http://mirror.example/a b", "http://mirror.example/ä", "http://bücher.example/", "http://mirror.example\\a",
        "http://mirror.example/<a>", "http://mirror.example:0/", "http://mirror.example:65536/", "http://mirror.example:x/",
        "http://mirror.example:/", "http://.example/", "http://mirror.example/a\n", "http://m.example/" + "x" * 2032,
    )  # fmt: skip
    for url in urls:
        bad = [MIRRORS[0], {"url": url}]
        reject_document(f"mirror {url[:40]!a}", code, put(mirrors=bad))
    for change in (
        {"priority": 0}, {"priority": 1_000_000}, {"priority": "1"}, {"priority": None}, {"location": "DE"},
        {"location": "deu"}, {"location": 49}, {"url": None}, {"url": 1},
    ):  # fmt: skip
        bad = [MIRRORS[0] | change]
        reject_document(f"mirror with {json.dumps(change)}", code, put(mirrors=bad))
    reject_document("mirror without url", code, put(mirrors=[{"priority": 1}]))
    reject_document("mirror is a string", code, put(mirrors=["http://mirror.example/a"]))
    reject_document("segments_url is no address", code, put(segments_url="list.segments"))


def trust() -> None:
    """Who signed, and what."""
    plain = compact(PAYLOAD)
    forged = payload_text("example.iso", "Example.iso")
    other_type = "application/vnd.in-toto+json"

    def swap(payload: bytes) -> Callable[[Json], object]:
        return lambda d: d["envelope"].update(payload=b64(payload))

    def sign(*signatures: Json) -> Callable[[Json], object]:
        return lambda d: d["envelope"].update(signatures=list(signatures))

    code = "untrusted_manifest"
    reject_document("another key is pinned", code, lambda _: None, pins=[STRANGER.text])
    reject_document("payload changed after signing", code, swap(forged))
    reject_document("no signature", code, sign())
    reject_document("signed without its payload type", code, sign(PUBLISHER.sign(plain, other_type)))
    reject_document("a stranger says it was the publisher", code, sign(STRANGER.sign(plain, keyid=PUBLISHER.text)))
    zeros = {"sig": b64(bytes(64)), "keyid": PUBLISHER.text}
    reject_document("a signature of zeros", code, sign(zeros))
    broken = payload_text('"format":1', '"format":2')
    reject_document("trust comes before the payload's faults", code, swap(broken))

    code = "bad_signature"
    reject_document("no pin, payload changed", code, swap(forged), pins=[])
    reject_document("no pin, no signature", code, sign(), pins=[])
    reject_document("no pin, keyid is no key", code, sign(PUBLISHER.sign(plain, keyid="publisher")), pins=[])
    reject_document("no pin, keyid of another", code, sign(PUBLISHER.sign(plain, keyid=OTHER.text)), pins=[])
    twisted = {"sig": PUBLISHER.sign(plain)["sig"], "keyid": "ed25519:" + b64(b"\xff" * 32)}
    reject_document("no pin, keyid is no point of the curve", code, sign(twisted), pins=[])

    code = "manifest_unknown_format"
    reject_document("another payload type", code, lambda d: d["envelope"].update(payloadType=other_type))
    upper = PAYLOAD_TYPE.upper()
    reject_document("payload type in capitals", code, lambda d: d["envelope"].update(payloadType=upper))


def in_force() -> None:
    """Times, versions and ids."""
    expiring = {"expires_at": "2026-11-19T07:06:40Z"}
    reject_payload("expired for longer than a day", "manifest_expired", expiring, now_s=NOW_S + 2 * DAY_S + 1)
    reject_payload("published in the future", "manifest_not_yet_valid", {}, now_s=NOW_S - DAY_S - 1)
    reject_payload("older than seen", "manifest_rollback", {}, seen_version=PAYLOAD["version"] + 1)
    reject_payload("another file than asked for", "file_id_mismatch", {}, file_id="0" * 64)


def segment_lists() -> None:
    """Lists that are not the one of the manifest, or not of the file."""
    code = "segment_list_mismatch"
    for name, segments in (
        ("too short", SEGMENTS[:-32]),
        ("too long", SEGMENTS + bytes(32)),
        ("empty", b""),
        ("a bit flipped", bytes([SEGMENTS[0] ^ 1]) + SEGMENTS[1:]),
        ("in another order", SEGMENTS[32:64] + SEGMENTS[:32] + SEGMENTS[64:]),
    ):
        reject_document(f"list {name}", code, put(segments=b64(segments)))
    for name, segments in (("too short", SEGMENTS[:-32]), ("too long", SEGMENTS + bytes(32)), ("cut", SEGMENTS[:-1])):
        payload = compact(PAYLOAD | {"segments_sha256": hashlib.sha256(segments).hexdigest()})
        value = document(payload) | {"segments": b64(segments)}
        add(f"signed list {name}", compact(value), "manifest_bad_size")


def build() -> str:
    """The text of the file."""
    for group in (
        accepted, too_large, malformed_documents, malformed_payloads, fields, mirrors, trust, in_force, segment_lists,
    ):  # fmt: skip
        group()
    names = [vector["name"] for vector in VECTORS]
    assert len(names) == len(set(names)), {name for name in names if names.count(name) > 1}
    head = {
        "about": "Whole manifest documents: spec/manifest.md section 11 says how they are run. Written by "
        "scripts/manifest_vectors.py.",
        "content": "The file of most of them has 700,000 bytes; byte i is i mod 251.",
    }
    lines = ",\n".join(json.dumps(vector, ensure_ascii=True) for vector in VECTORS)
    return json.dumps(head)[:-1] + ', "vectors": [\n' + lines + "\n]}\n"


def main() -> int:
    """Writes the file, or checks it."""
    text = build()
    if sys.argv[1:] == ["--check"]:
        fresh = TARGET.is_file() and TARGET.read_text() == text
        if not fresh:
            sys.stderr.write("spec/vectors/manifest/documents.json is not fresh: run scripts/manifest_vectors.py\n")
        return 0 if fresh else 1
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(text)
    sys.stderr.write(f"{len(VECTORS)} vectors\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

from __future__ import annotations

from xml.etree import ElementTree

from distribute_io.manifest.metalink import encode_metalink
from distribute_io.wire.http import Mirror

NAMESPACE = {"m": "urn:ietf:params:xml:ns:metalink"}


def parse(*, segments: bytes, mirrors: list[Mirror]) -> ElementTree.Element:
    data = encode_metalink(
        name='a & b/<c> "d".iso',
        size_bytes=300_000,
        sha256="ab" * 32,
        segment_size_bytes=262_144,
        segments=segments,
        published_at_s=0,
        mirrors=mirrors,
    )
    return ElementTree.fromstring(data)


def test_everything_is_in_it() -> None:
    mirrors = [Mirror(url="https://m.example/?a=1&b=2", priority=3, location="de"), Mirror(url="http://n.example/")]
    root = parse(segments=bytes(32) + b"\xff" * 32, mirrors=mirrors)
    file = root.find("m:file", NAMESPACE)
    assert file is not None
    assert file.get("name") == 'a & b/<c> "d".iso'
    assert file.findtext("m:size", namespaces=NAMESPACE) == "300000"
    assert file.findtext("m:hash[@type='sha-256']", namespaces=NAMESPACE) == "ab" * 32
    pieces = file.find("m:pieces", NAMESPACE)
    assert pieces is not None
    assert pieces.attrib == {"type": "sha-256", "length": "262144"}
    assert [piece.text for piece in pieces] == ["00" * 32, "ff" * 32]
    urls = [(url.text, url.attrib) for url in file.findall("m:url", NAMESPACE)]
    assert urls == [
        ("https://m.example/?a=1&b=2", {"priority": "3", "location": "de"}),
        ("http://n.example/", {"priority": "100"}),
    ]
    assert root.findtext("m:published", namespaces=NAMESPACE) == "1970-01-01T00:00:00Z"


def test_an_empty_file_has_no_pieces() -> None:
    assert parse(segments=b"", mirrors=[]).find(".//m:pieces", NAMESPACE) is None

"""Python and TypeScript say the same of every manifest document, on some thousand that nobody thought of."""

from __future__ import annotations

import base64
import json
import random
import subprocess
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from distribute_io.errors import DistributeError
from distribute_io.ids import PublicKeyText
from distribute_io.manifest.document import open_document
from distribute_io.manifest.dsse import sign_payload
from distribute_io.manifest.keys import SigningKey
from distribute_io.wire.http import Envelope
from tests.harness.puppeteer import find_node

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "client" / "tests" / "core" / "manifest-verdicts.ts"
ACCEPTED = [
    vector
    for vector in json.loads((ROOT / "spec" / "vectors" / "manifest" / "documents.json").read_text())["vectors"]
    if vector["expect"] == "accept"
]
KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
NOW_S = ACCEPTED[0]["now_s"]
PINS = [PublicKeyText(pin) for pin in ACCEPTED[0]["pins"]]
PIECES = (
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"0",
    b"-",
    b"1",
    b".5",
    b"e9",
    b"null",
    b"\\u0000",
    b"\xff",
    b"=",
    b" ",
)
TEXTS = (
    "",
    ".",
    "a/b",
    "a//b",
    "../x",
    "ä",
    "a\u202eb",
    "C:",
    "x" * 256,
    "2026-02-30T00:00:00Z",
    "http://a",
    "ed25519:",
    "\ud800",
)
NUMBERS = (0, -1, 1, 2**18, 2**20, 2**22, 2**40, 2**53 - 1, 2**53, 1.5)


def changed_bytes(rng: random.Random, data: bytes) -> bytes:
    """A few pieces cut out or put in anywhere."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data))
        data = data[:at] + rng.choice((b"", *PIECES)) + data[at + rng.choice((0, 0, 1, 1, 7)) :]
    return data


def changed_value(rng: random.Random, value: Any) -> Any:  # Any: JSON of any shape
    """A JSON value with something in it replaced."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(sorted(value))
        return value | {key: changed_value(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], changed_value(rng, value[at]), *value[at + 1 :]]
    return rng.choice((None, True, [], {}, rng.choice(TEXTS), rng.choice(NUMBERS)))


def write(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def as_json(envelope: Envelope) -> dict[str, Any]:  # Any: JSON of any shape
    return {
        "payloadType": envelope.payload_type,
        "payload": envelope.payload,
        "signatures": [{"sig": each.sig, "keyid": each.keyid} for each in envelope.signatures],
    }


def documents(rng: random.Random, count: int) -> list[bytes]:
    """Documents changed in their bytes, in their values, or in their payload and then signed."""
    made = []
    for number in range(count):
        vector = rng.choice(ACCEPTED)
        data = vector["document"].encode()
        if number % 3 == 0:
            made.append(changed_bytes(rng, data))
        elif number % 3 == 1:
            made.append(write(changed_value(rng, json.loads(data))))
        else:
            payload = write(changed_value(rng, vector["manifest"]))
            if rng.random() < 0.2:
                payload = changed_bytes(rng, payload)
            made.append(write(json.loads(data) | {"envelope": as_json(sign_payload(payload, [KEY]))}))
    return made


def verdict(data: bytes) -> str:
    try:
        opened = open_document(data, pins=[*PINS, KEY.public_key], now_s=NOW_S)
    except DistributeError as error:
        return error.code
    return f"accept {opened.verified.payload_sha256}"


def test_both_say_the_same() -> None:
    made = documents(random.Random(20_261_122), 3_000)
    lines = "".join(base64.b64encode(data).decode() + "\n" for data in made)
    ended = subprocess.run(
        [find_node(), SCRIPT, str(NOW_S), *PINS, KEY.public_key],
        input=lines,
        check=True,
        capture_output=True,
        text=True,
        timeout=100,
    )
    theirs = ended.stdout.splitlines()
    ours = [verdict(data) for data in made]
    assert len(theirs) == len(ours)
    different = [
        (data[:2_000], mine, other) for data, mine, other in zip(made, ours, theirs, strict=True) if mine != other
    ]
    assert different[:3] == []
    # The test is worth something only if it gets deep into both: many codes, and some that are accepted.
    assert len({code.partition(" ")[0] for code in ours}) > 10

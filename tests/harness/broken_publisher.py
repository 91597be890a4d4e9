"""A publisher whose tools are broken."""

from __future__ import annotations

import base64
import hashlib
import json

import msgspec
from msgspec.structs import replace
from playwright.sync_api import Route

from distribute_io.manifest.build import sign_manifest
from distribute_io.manifest.keys import load_signing_key
from distribute_io.manifest.payload import parse_payload
from tests.harness.chromium import ChromiumPage
from tests.harness.coordinator import Publisher


def sign_another_digest(page: ChromiumPage, publisher: Publisher) -> None:
    """From now on the page gets right segment lists that are signed with another file's whole digest."""
    key = load_signing_key(publisher.key_path)

    def contradict(route: Route) -> None:
        entry = route.fetch().json()
        signed = parse_payload(base64.b64decode(entry["manifests"][0]["payload"]))
        other = replace(signed, sha256=hashlib.sha256(b"another file").hexdigest())
        entry["manifests"] = [json.loads(msgspec.json.encode(sign_manifest(other, [key])))]
        entry["file_id"] = other.sha256
        route.fulfill(json=entry, headers={"Access-Control-Allow-Origin": "*"})

    page.playwright.route("**/api/v1/resolve**", contradict)

"""One spelling for each address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_io.coordinator.links import normalised, origin, path_of
from distribute_io.errors import RefusedError


@pytest.mark.parametrize(
    ("link", "same_as"),
    [
        ("HTTP://EXAMPLE.org:80", "http://example.org/"),
        ("https://example.org:443/a.iso#part", "https://example.org/a.iso"),
        ("https://example.org/a/../b/./c.iso", "https://example.org/b/c.iso"),
        ("https://example.org/a/%2e%2E/b", "https://example.org/b"),
        ("https://example.org/../../b", "https://example.org/b"),
        ("https://example.org/a/..", "https://example.org/"),
        ("https://example.org/%7Ea%2fb", "https://example.org/~a%2Fb"),
        ("https://example.org/a%20b", "https://example.org/a%20b"),
        ("https://example.org/ü", "https://example.org/%C3%BC"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://example.org/a?id=%7e", "https://example.org/a?id=~"),
        ("http://[2001:DB8::1]:8080/a", "http://[2001:db8::1]:8080/a"),
    ],
)
def test_two_spellings_are_one(link: str, same_as: str) -> None:
    assert normalised(link) == same_as
    assert normalised(same_as) == same_as


@pytest.mark.parametrize(
    "link",
    [
        "",
        "a.iso",
        "/a.iso",
        "//example.org/a",
        "ftp://example.org/a",
        "javascript:alert(1)",
        "http://",
        "http://user@example.org/",
        "http://user:word@example.org/",
        "http://example.org:port/",
        "http://example.org:99999/",
        "http://[::1/",
        "http://exa mple.org/",
        "http://example.org/\n",
        "http://example.org/" + "a" * 2_048,
        "http://" + "ü" * 300 + "/",
    ],
)
def test_what_is_no_link_is_refused(link: str) -> None:
    with pytest.raises(RefusedError) as caught:
        normalised(link)
    assert caught.value.code == "bad_request"


def test_an_origin_has_no_default_port() -> None:
    assert origin("https://example.org:443/a?b#c") == "https://example.org"
    assert origin("http://example.org:8080") == "http://example.org:8080"


def test_a_path_is_decoded() -> None:
    assert path_of("http://example.org/files/a%20b/c.iso?id=1") == "files/a b/c.iso"


@given(st.text(max_size=60))
def test_any_text_is_normalised_once_or_refused(text: str) -> None:
    try:
        once = normalised("http://example.org/" + text)
    except RefusedError:
        return
    assert normalised(once) == once

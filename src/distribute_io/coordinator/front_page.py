"""The front page as HTML: files with links that work without JavaScript, and the tag to copy."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby
from shlex import quote
from urllib.parse import urlsplit

from msgspec import Struct

from distribute_io.coordinator.mirror_words import in_words
from distribute_io.manifest.limits import PINS_MAX
from distribute_io.stores.catalogue import CauseRecord
from distribute_io.units import format_size
from distribute_io.wire.http import MirrorStatus


class FrontFile(Struct, frozen=True):
    """One file on the page."""

    name: str
    href: str
    """Empty when no mirror is known."""
    file_id: str
    """Empty while it is being hashed."""
    size_bytes: int
    cause: str
    signed_by: str = ""
    """The first key that signed it; empty while it is being hashed."""
    mirrors: tuple[MirrorStatus, ...] = ()
    """Those that the publisher named, with what the coordinator's checks found."""


class FrontPage(Struct, frozen=True, kw_only=True):
    """All that the page shows."""

    files: tuple[FrontFile, ...]
    causes: tuple[CauseRecord, ...]
    waiting: int
    """Files that are still being hashed."""
    keys: tuple[str, ...]
    """All that signed the files shown, the server's own first: what this page itself pins."""
    policy: str
    """What a page's Content-Security-Policy has to allow for these files; empty when the client is not built."""
    tag: str
    """Empty when the client is not built."""
    public_url: str
    contact: str
    """Where to complain, a mailto: or https: address; may be empty."""
    is_secure: bool
    loader: str
    loader_integrity: str
    script: str
    script_integrity: str
    style: str


_SHAPE = (
    '<path d="M12 12 4.5 5.5M12 12l7.5-6.5M12 12v8.5"/>'
    '<circle cx="12" cy="12" r="3.4" fill="currentColor" stroke="none"/>'
    '<circle cx="4" cy="5" r="2.4" fill="currentColor" stroke="none"/>'
    '<circle cx="20" cy="5" r="2.4" fill="currentColor" stroke="none"/>'
    '<circle cx="12" cy="21" r="2.4" fill="currentColor" stroke="none"/>'
)
_MARK = (
    '<svg class="mark" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true">'
    f"{_SHAPE}</svg>"
)
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#1f5fd0" color="#1f5fd0" '
    f'stroke-width="2">{_SHAPE}</svg>'
)
_ARROW = (
    '<svg class="arrow" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" '
    'stroke-linejoin="round" aria-hidden="true"><path d="M12 4v11m-5-5 5 5 5-5M5 20h14"/></svg>'
)


def render(page: FrontPage) -> str:
    """The whole document."""
    return "\n".join(_document(page))


def _document(page: FrontPage) -> Iterator[str]:
    yield "<!doctype html>"
    yield '<html lang="en">'
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">'
    yield "<title>Downloads</title>"
    yield '<meta name="description" content="Verified downloads from mirrors and from people who give bandwidth.">'
    if page.style:
        yield f'<link rel="stylesheet" href="{escape(page.style)}">'
    for group, pins in enumerate(_pin_groups(page.keys) if page.loader else ()):
        select = "a.download" if len(page.keys) <= PINS_MAX else f"a.download[data-pins='{group}']"
        yield (
            f'<script src="{escape(page.loader)}" integrity="{escape(page.loader_integrity)}" crossorigin="anonymous" '
            f'data-select="{select}" data-key="{escape(" ".join(pins))}" async></script>'
        )
    if page.script:
        yield (
            f'<script src="{escape(page.script)}" integrity="{escape(page.script_integrity)}" crossorigin="anonymous" '
            "defer></script>"
        )
    yield "</head>"
    yield "<body>"
    yield '<a class="skip" href="#files">Skip to the files</a>'
    yield from _header(page)
    yield "<main>"
    yield from _unfinished()
    yield from _files(page)
    yield from _tag(page)
    yield "</main>"
    yield from _footer(page)
    yield "</body>"
    yield "</html>"


def _pin_groups(keys: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """A tag may pin so many keys; with more publishers there are several tags, each for the links of its own.

    One tag for all would refuse the files of those that it cannot pin.
    """
    return tuple(keys[first : first + PINS_MAX] for first in range(0, len(keys), PINS_MAX))


def _header(page: FrontPage) -> Iterator[str]:
    only = page.causes[0] if len(page.causes) == 1 else None
    yield '<header class="top">'
    yield '<div class="wrap">'
    yield '<div class="bar">'
    yield f'<p class="brand">{_MARK}Distribute.io</p>'
    yield '<a class="button" href="/donate">Give bandwidth</a>'
    yield "</div>"
    yield f"<h1>{escape(only.title if only is not None else 'Downloads')}</h1>"
    if only is not None and only.text:
        yield f'<p class="lead">{escape(only.text)}</p>'
    yield (
        '<p class="lead">Your browser fetches each file from several mirrors and from people who give bandwidth, '
        "all at once, and checks every byte. Nothing to install.</p>"
    )
    yield "</div>"
    yield "</header>"


def _unfinished() -> Iterator[str]:
    """What this browser has begun and not finished; `front.js` fills it where there is anything."""
    yield '<section class="wrap" id="unfinished" aria-labelledby="unfinished-title" hidden>'
    yield '<h2 id="unfinished-title">Not finished yet</h2>'
    yield "<p>Begun in this browser. A click goes on where it was.</p>"
    yield '<ul class="files"></ul>'
    yield "</section>"


def _files(page: FrontPage) -> Iterator[str]:
    yield '<section class="wrap" id="files" aria-labelledby="files-title">'
    yield '<h2 id="files-title">Files</h2>'
    if not page.is_secure:
        yield (
            '<p class="note">This page was opened over plain http, so your browser offers no hashing and no storage: '
            "the links below are ordinary downloads. Over https they are verified.</p>"
        )
    if page.waiting:
        many = f"{page.waiting} files are" if page.waiting > 1 else "One file is"
        yield f'<p class="note">{many} still being hashed: ordinary downloads for now, verified ones soon.</p>'
    if not page.files:
        yield '<p class="empty">There is nothing here yet. Put files into the folder; they appear by themselves.</p>'
    for folder, group in groupby(sorted(page.files, key=_place), key=lambda file: _place(file)[0]):
        if folder:
            yield f'<h3 class="folder">{escape(folder)}/</h3>'
        yield '<ul class="files">'
        for file in group:
            yield from _file(file, page.keys)
        yield "</ul>"
    yield "</section>"


def _place(file: FrontFile) -> tuple[str, str]:
    """Folder and base name: the files of a folder stand together, those of the top first."""
    folder, _, base = file.name.rpartition("/")
    return folder, base


def _file(file: FrontFile, keys: tuple[str, ...]) -> Iterator[str]:
    base = file.name.rpartition("/")[2]
    pending = "" if file.file_id else '<span class="pending">being hashed</span>'
    inside = (
        f'{_ARROW}<span class="name">{escape(base)}{pending}</span>'
        f'<span class="size">{escape(format_size(file.size_bytes))}</span>'
    )
    yield "<li>"
    if file.href:
        kind = "row"
        if file.file_id:
            group = f'" data-pins="{keys.index(file.signed_by) // PINS_MAX}' if len(keys) > PINS_MAX else ""
            kind = f'download row" data-distribute="{file.file_id}{group}'
        yield f'<a class="{kind}" href="{escape(file.href)}">{inside}</a>'
    else:
        yield f'<p class="row">{inside}</p>'
        if file.file_id:
            yield '<p class="note">No place where it lies answers with this file at present.</p>'
    if file.file_id:
        yield "<details><summary>Checksum</summary><dl>"
        yield f"<dt>SHA-256</dt><dd><code>{file.file_id}</code></dd>"
        if file.signed_by:
            yield f"<dt>Signed by</dt><dd><code>{escape(file.signed_by)}</code></dd>"
        if file.mirrors:
            lines = "<br>".join(f"{escape(_host(m.url))}: {escape(in_words(m))}" for m in file.mirrors)
            yield f"<dt>Mirrors</dt><dd>{lines}</dd>"
        yield (
            f'<dt>For other programs</dt><dd><a href="/api/v1/files/{file.file_id}.meta4">Metalink</a>, '
            "which aria2 checks piece by piece</dd>"
        )
        yield "</dl></details>"
    yield "</li>"


def _host(url: str) -> str:
    return urlsplit(url).netloc


def contact_link(contact: str) -> str:
    """What a page can link to: a mail address gets its scheme.

    >>> contact_link("abuse@example.org")
    'mailto:abuse@example.org'
    """
    return contact if not contact or ":" in contact else f"mailto:{contact}"


def _plain(contact: str) -> str:
    """A contact as people read it."""
    return contact.removeprefix("mailto:")


def _tag(page: FrontPage) -> Iterator[str]:
    yield '<section class="wrap" id="embed" aria-labelledby="embed-title">'
    yield '<h2 id="embed-title">On your own page</h2>'
    if page.tag:
        yield (
            "<p>Put this tag into a page with download links; <code>data-select</code> says which links it takes over. "
            "Without JavaScript, or when anything is missing, they stay the plain links that they are.</p>"
        )
        if len(page.keys) > 1:
            yield (
                "<p>The files here have several publishers: name in <code>data-key</code> the key of the one whose "
                "files you link to. It stands below each file&rsquo;s checksum.</p>"
            )
        yield f'<div class="copy"><pre tabindex="0"><code id="tag">{escape(page.tag)}</code></pre>'
        yield '<button type="button" class="button" data-copy="tag" hidden>Copy</button></div>'
        yield (
            "<p>If your site sends a Content-Security-Policy, add this to it; what is missing makes the links ordinary "
            "ones, and your browser&rsquo;s console says so:</p>"
        )
        yield f'<div class="copy"><pre tabindex="0"><code id="policy">{escape(page.policy)}</code></pre>'
        yield '<button type="button" class="button" data-copy="policy" hidden>Copy</button></div>'
    else:
        yield "<p>The browser client is not built, so the links above are ordinary downloads.</p>"
    if page.tag:
        yield (
            "<p>Your visitors can help, too: a badge that asks them for a little bandwidth, off until they click. It "
            "comes in three sizes (<code>s</code>, <code>m</code>, <code>l</code>), light and dark:</p>"
        )
        badge = f'<script src="{page.public_url}/badge.js" data-size="m" data-theme="auto" async></script>'
        yield f'<div class="copy"><pre tabindex="0"><code id="badge">{escape(badge)}</code></pre>'
        yield '<button type="button" class="button" data-copy="badge" hidden>Copy</button></div>'
    yield "<p>In a terminal:</p>"
    command = _get_command(page)
    yield f'<div class="copy"><pre tabindex="0"><code id="command">{escape(command)}</code></pre>'
    yield '<button type="button" class="button" data-copy="command" hidden>Copy</button></div>'
    yield "</section>"


def _get_command(page: FrontPage) -> str:
    """For a file of the folder its address here; what was published with a token is known by its mirrors."""
    example = next((file for file in page.files if file.file_id and file.href), None)
    if example is None:
        return f"dio get {page.public_url}/files/NAME"
    pin = f" --pin {example.signed_by}" if example.signed_by else ""
    if example.href.startswith("/"):
        return f"dio get {quote(page.public_url + example.href)}{pin}"
    return f"dio get {quote(example.href)} --coordinator {page.public_url}{pin}"


def _footer(page: FrontPage) -> Iterator[str]:
    yield '<footer class="wrap">'
    label = "Publisher&rsquo;s key" if len(page.keys) == 1 else "Publishers&rsquo; keys"
    keys = ", ".join(f"<code>{escape(key)}</code>" for key in page.keys)
    yield f"<p>{label}: {keys}</p>"
    yield (
        "<p>Fetching from donors shows your address to them, as any peer-to-peer download does; "
        "&ldquo;mirrors only&rdquo; in the download panel prevents it.</p>"
    )
    if page.contact:
        yield f'<p>Complaints about a file: <a href="{escape(page.contact)}">{escape(_plain(page.contact))}</a></p>'
    yield "</footer>"

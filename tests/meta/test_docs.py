"""What a user can name is documented: commands, settings, attributes, events, routes, messages, codes."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args

import pytest

from distribute_io.cli import doctor, get_report
from distribute_io.cli.doctor_fixes import Fix
from distribute_io.cli.main import COMMANDS
from distribute_io.coordinator.config import CoordinatorConfig
from distribute_io.core.mirror_findings import Finding
from distribute_io.donor import events
from distribute_io.download.fetch import SourceFigures
from distribute_io.errors import CODES
from distribute_io.wire import session
from tests.meta.tree import ROOT, code_files

REFERENCE = ROOT / "docs" / "reference"
CLIENT = ROOT / "client" / "src"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "spec").rglob("*.md")])


def words_in_code(page: Path) -> str:
    """Everything that stands in backquotes or code blocks of a page."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", page.read_text(), flags=re.DOTALL))


def test_every_command_is_documented() -> None:
    page = words_in_code(REFERENCE / "cli.md")
    assert [name for name in COMMANDS if f"dio {name}" not in page] == []


def test_every_setting_of_serve_is_documented() -> None:
    page = words_in_code(REFERENCE / "serve-config.md")
    assert [name for name in CoordinatorConfig.__struct_fields__ if f"`{name}`" not in page] == []


def test_every_error_code_is_documented() -> None:
    page = words_in_code(ROOT / "spec" / "errors.md")
    assert [code for family in CODES.values() for code in family if f"`{code}`" not in page] == []


def test_every_field_that_get_prints_is_documented() -> None:
    page = words_in_code(REFERENCE / "json.md")
    bodies = re.findall(r"\ndef \w*report\(.*?return \{\n(.*?)\n    \}", inspect.getsource(get_report), re.DOTALL)
    assert len(bodies) == 2, "of a download that is done, and of one that failed"
    fields = [*re.findall(r'"(\w+)":', "".join(bodies)), *SourceFigures.__struct_fields__]
    assert len(fields) >= 20
    assert [name for name in fields if f"`{name}`" not in page] == []


def test_every_field_that_doctor_prints_is_documented() -> None:
    page = words_in_code(REFERENCE / "json.md")
    (body,) = re.findall(r"\ndef report\(.*?return \{\n(.*?)\n    \}", inspect.getsource(doctor), re.DOTALL)
    fields = [*re.findall(r'"(\w+)":', body), *Finding.__struct_fields__, *Fix.__struct_fields__]
    assert len(fields) >= 14
    assert [name for name in fields if f"`{name}`" not in page] == []


def test_every_event_of_a_donor_is_documented() -> None:
    page = words_in_code(REFERENCE / "json.md")
    shapes = events.DonorEvent.__subclasses__()
    names = [str(shape.__struct_config__.tag) for shape in shapes]
    fields = [field for shape in shapes for field in shape.__struct_fields__]
    assert len(names) >= 10
    assert [name for name in (*names, *fields) if f"`{name}`" not in page] == []


def test_every_session_message_is_documented() -> None:
    page = words_in_code(ROOT / "spec" / "session.md")
    shapes = (*get_args(session.ClientMessage), *get_args(session.CoordinatorMessage))
    tags = {shape.__struct_config__.tag for shape in shapes}
    assert [tag for tag in sorted(tags) if f"`{tag}`" not in page] == []


def test_every_attribute_of_the_tag_is_documented() -> None:
    page = words_in_code(REFERENCE / "page.md")
    attributes = set(re.findall(r'\bdata\["(\w+)"\]', (CLIENT / "snippet" / "tag.ts").read_text()))
    assert len(attributes) >= 8
    assert [name for name in sorted(attributes) if f"`data-{name}`" not in page] == []


def test_every_event_and_its_fields_are_documented() -> None:
    page = words_in_code(REFERENCE / "page.md")
    source = (CLIENT / "snippet" / "link-events.ts").read_text()
    events = re.findall(r'"(\w+)"', re.findall(r"type EventKind = ([^;]+);", source)[0])
    shapes = re.findall(r"interface (?:Source|Event)Detail \{(.*?)\n\}", source, re.DOTALL)
    fields = re.findall(r"readonly (\w+)\??:", "".join(shapes))
    assert len(events) >= 6
    assert len(fields) >= 10
    assert [name for name in events if f"`distribute:{name}`" not in page] == []
    assert [name for name in fields if f"`{name}`" not in page] == []


@pytest.mark.parametrize(("module", "shape"), [("download", "DownloadOptions"), ("donate", "DonateOptions")])
def test_every_option_of_the_module_is_documented(module: str, shape: str) -> None:
    page = words_in_code(REFERENCE / "page.md")
    (body,) = re.findall(rf"interface {shape} \{{(.*?)\n\}}", (CLIENT / module / "module.ts").read_text(), re.DOTALL)
    options = re.findall(r"readonly (\w+)\??:", body)
    assert len(options) >= 5
    assert [name for name in options if f"`{name}`" not in page] == []


def test_every_route_is_documented() -> None:
    page = words_in_code(REFERENCE / "http.md")
    sources = (ROOT / "src" / "distribute_io" / "coordinator").rglob("*.py")
    registered = re.compile(r'web\.(?:get|post|delete|put|head)\(\s*[rf]*"(/[^"]*)"')
    routes = {
        # The code writes {name:pattern}, or {_NAME} where it keeps the pattern apart; the page writes {name}.
        re.sub(r"\{_?(\w+)(?::[^}]*\}*)?\}", lambda found: "{" + found[1].lower() + "}", route)
        for path in sources
        for route in registered.findall(path.read_text())
    }
    assert len(routes) >= 12
    assert [route for route in sorted(routes) if route not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text()
    assert [page.name for page in folder.glob("0*.md") if f"({page.name})" not in index] == []


def test_every_page_that_the_code_cites_is_there() -> None:
    missing = {
        f"{path.relative_to(ROOT)}: {page}"
        for path in code_files()
        for page in re.findall(r"(?<![\w/.*:-])(?:[\w-]+/)*[\w-]+\.md\b", re.sub(r"https?://\S+", "", path.read_text()))
        if not any((folder / page).exists() for folder in (ROOT, ROOT / "docs", REFERENCE, ROOT / "spec"))
    }
    assert missing == set()


def test_every_path_that_the_architecture_names_is_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = re.findall(r"`((?:[\w.-]+/)+[\w.*-]*|[\w-]+\.py)`", text)
    assert len(named) >= 20
    package = ROOT / "src" / "distribute_io"
    roots = (ROOT, package, package / "coordinator", package / "transport")
    assert [name for name in named if not any(list(root.glob(name.rstrip("/"))) for root in roots)] == []


def test_every_test_that_a_page_names_is_there() -> None:
    named = {name for page in PAGES for name in re.findall(r"`(tests/[\w/]+\.py::\w+)`", page.read_text())}
    assert len(named) >= 10
    for path, _, name in (each.partition("::") for each in sorted(named)):
        assert f"\ndef {name}(" in (ROOT / path).read_text(), f"{path} has no {name}"


def test_every_client_test_that_a_page_names_is_there() -> None:
    cells = re.findall(r"\bT `([\w/-]+)`((?:: (?:\"[^\"]+\"(?:, )?)+)?)", (ROOT / "docs" / "testing.md").read_text())
    assert len(cells) >= 20
    for name, words in cells:
        text = (ROOT / "client" / "tests" / f"{name}.test.ts").read_text()
        for beginning in re.findall(r'"([^"]+)"', words):
            assert f'test("{beginning}' in text, f"{name} has no test that begins with {beginning}"

"""What README and the documents tell a newcomer to type or paste is there and well formed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gonogo.config import load_settings
from gonogo.setup.clients import CLIENTS, place_of

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
BY_HAND = (ROOT / "docs" / "mcp.md").read_text()


def test_client_set_ups_are_json_that_starts_the_server() -> None:
    """Each pasted block parses, and every one of them runs `gonogo serve` from the checkout."""
    pasted = [json.loads(body) for body in re.findall(r"```json\n(.*?)```", BY_HAND, re.DOTALL)]
    assert len(pasted) == 3
    for block in pasted:
        [servers] = block.values()
        assert servers["gonogo"]["command"].endswith("/.venv/bin/gonogo")
        assert servers["gonogo"]["args"] == ["serve"]


def test_the_table_of_clients_names_each_with_its_file_and_key(tmp_path: Path) -> None:
    """As `install` writes them on Linux."""
    page = (ROOT / "docs" / "clients.md").read_text()
    told = re.findall(r"^\| `([\w-]+)` \| `~/([^`]+)` \| `(\w+)` \|", page, re.MULTILINE)
    places = {name: place_of(name, {"HOME": str(tmp_path)}, project=None) for name in CLIENTS}
    written = [(n, p.path.relative_to(tmp_path).as_posix(), p.key) for n, p in places.items()]
    assert told == written


def test_the_table_of_libraries_has_the_versions_that_are_run() -> None:
    """Each is pinned so in a lock of the peers."""
    page = (ROOT / "docs" / "clients.md").read_text()
    told = re.findall(r"^\| .*\(`([\w-]+)`\) \| ([\d.]+) \|$", page, re.MULTILINE)
    locks = [path.read_text() for path in (ROOT / "tests/peers/requirements").glob("*.lock")]
    assert len(told) >= 13
    for name, version in told:
        pinned = {
            one for lock in locks for one in re.findall(rf"^{name}==(\S+) ", lock, re.MULTILINE)
        }
        assert version in pinned, name


def test_every_make_target_that_readme_names_is_there() -> None:
    """`make demo`, `make test` and what else is told."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_configuration_in_a_document_is_one_that_gonogo_takes(
    page: Path, tmp_path: Path
) -> None:
    """Each TOML block stands alone: what it names is in it, and no secret has to be set to read it."""
    for block in re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL):
        (tmp_path / "gonogo.toml").write_text(block)
        settings = load_settings(str(tmp_path / "gonogo.toml"), None, {"HOME": str(tmp_path)})
        said = (settings.dependencies, settings.probes, settings.notify, settings.maintenance)
        assert any(said) or settings.guard.tools or settings.budgets or settings.oauth


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md"]
PAGES += sorted((ROOT / "docs").glob("*.md"))
README_LINES_MAX = 60


def headings(page: Path) -> set[str]:
    """What a link to a heading of a page may end with, as GitHub spells it."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """A file of the repository, and where it has a #, a heading of that file."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not heading or heading in headings(target), link


def test_every_page_is_found_from_the_first() -> None:
    """README leads to the list of pages, which has each of them; README itself is one screen."""
    listed = (ROOT / "docs" / "README.md").read_text()
    assert "(docs/README.md)" in README
    assert len(README.splitlines()) <= README_LINES_MAX
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in listed, page.name

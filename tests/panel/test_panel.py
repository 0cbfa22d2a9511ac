"""The panel's page as a file: whole, small, and asking for nothing from anywhere."""

from __future__ import annotations

import re
from importlib.resources import files

from gonogo.panel import (
    SCRIPT_MARK,
    SCRIPTS,
    STYLE_MARK,
    STYLES,
    WORKER,
    assembled,
    inline_hash,
    panel_html,
)

BYTES_MAX = 150_000
FILE_LINES_MAX = 400
SOURCES = [entry for entry in files("gonogo.panel").iterdir() if entry.name.endswith(("js", "css"))]


def test_a_page_is_put_together_from_its_sources_in_order() -> None:
    """Styles and scripts stand where the page marks them, scripts in one closed scope."""
    page = f"<style>{STYLE_MARK}</style><script>{SCRIPT_MARK}</script>"
    made = assembled(page, ["a{}", "b{}"], ["let one;", "let two;"])
    assert made == (
        '<style>a{}b{}</style><script>"use strict";\n(() => {\nlet one;let two;})();\n</script>'
    )


def test_every_source_is_in_the_page_and_no_file_is_too_long() -> None:
    """A file that is forgotten in the lists would be dead; 400 lines hold here as well."""
    assert sorted(source.name for source in SOURCES) == sorted([*SCRIPTS, *STYLES, WORKER])
    html = panel_html()
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        assert (text in html) is (source.name != WORKER)
        assert len(text.splitlines()) <= FILE_LINES_MAX, source.name


def test_the_page_is_small_and_brings_everything_along() -> None:
    """Under 150 kB; no address, no import, no file beside it: it works offline and sandboxed."""
    html = panel_html()
    assert len(html.encode()) < BYTES_MAX
    assert not re.search(r"https?:|//[a-z]+\.|@import|\bimport\s*[({*'\"]|\bsrc=", html)
    assert set(re.findall(r"url\(([^)]*)\)", html)) == {"#hatch"}
    assert set(re.findall(r'href="([^"]*)"', html)) == {"data:,"}


def test_text_from_outside_can_only_become_text() -> None:
    """No way from a string to markup or code is used anywhere."""
    scripts = "".join(s.read_text(encoding="utf-8") for s in SOURCES if s.name.endswith("js"))
    banned = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc"
    assert not re.search(banned, scripts)


def test_the_hash_names_the_one_inline_script() -> None:
    """The digest is of what stands between the tags (RFC example of CSP level 2)."""
    page = "<script>doSomething();</script>"
    assert inline_hash(page, "script") == "'sha256-RFWPLDbv2BY+rCkDzsE+0fr8ylGr2R2faWMhq4lfEQc='"
    html = panel_html()
    assert html.count("<script>") == html.count("<style>") == 1

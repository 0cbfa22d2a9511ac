"""The page that draws answers for MCP hosts and browsers: one file, from a few sources.

The page is plain HTML, CSS and JavaScript, and asks for nothing from anywhere else. Sources are
put together when they are first needed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

# Under this key of a result's `_meta` the page finds the history that an answer is drawn from.
HISTORY = "gonogo/history"
# In the order in which they build on each other.
SCRIPTS = (
    "dom.js",
    "format.js",
    "plot.js",
    "drift.js",
    "trust.js",
    "budget.js",
    "work.js",
    "host.js",
    "site.js",
    "main.js",
)
STYLES = ("base.css", "parts.css")
# Not in the page: all tabs of a browser share it, so it has an address of its own.
WORKER = "stream.js"
STYLE_MARK, SCRIPT_MARK = "/* styles */", "/* scripts */"


def assembled(page: str, styles: Sequence[str], scripts: Sequence[str]) -> str:
    """The page with its styles and scripts in place; the scripts share one closed scope."""
    scope = "".join(['"use strict";\n(() => {\n', *scripts, "})();\n"])
    return page.replace(STYLE_MARK, "".join(styles)).replace(SCRIPT_MARK, scope)


@cache
def panel_html() -> str:
    """The whole page."""
    here = files(__name__)
    page, *rest = (
        (here / name).read_text(encoding="utf-8") for name in ("page.html", *STYLES, *SCRIPTS)
    )
    return assembled(page, rest[: len(STYLES)], rest[len(STYLES) :])


@cache
def stream_script() -> str:
    """The worker that listens for changes on behalf of every tab."""
    return (files(__name__) / WORKER).read_text(encoding="utf-8")


def inline_hash(html: str, element: str) -> str:
    """The CSP source that allows the one inline `script` or `style` of a page, and no other."""
    inside = html.split(f"<{element}>", 1)[1].split(f"</{element}>", 1)[0]
    digest = hashlib.sha256(inside.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"

"""Make the MCPB bundle that desktop clients install by double-click: `make bundle`.

A zip of the source and a manifest (MCPB 0.4, server type `uv`: the client's uv makes the
environment from pyproject.toml). The same tree gives the same bytes.
"""

from __future__ import annotations

import json
import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = ("pyproject.toml", "README.md", "LICENSE")
# The earliest time a zip can hold.
EPOCH = (1980, 1, 1, 0, 0, 0)


def manifest() -> dict[str, object]:
    """What the client shows, asks for, and starts."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    serve = ["run", "--directory", "${__dirname}", "gonogo", "serve"]
    return {
        "manifest_version": "0.4",
        "name": project["name"],
        "display_name": "gonogo",
        "version": project["version"],
        "description": project["description"],
        "author": {"name": project["authors"][0]["name"]},
        "license": project["license"],
        "keywords": project["keywords"],
        "server": {
            "type": "uv",
            "entry_point": "src/gonogo/__main__.py",
            "mcp_config": {
                "command": "uv",
                "args": serve,
                "env": {"GONOGO_STORE": "${user_config.store}"},
            },
        },
        "user_config": {
            "store": {
                "type": "file",
                "title": "Store",
                "description": "Where observations are kept; it is made when it is not there",
                "default": "${HOME}/gonogo.db",
                "required": False,
            }
        },
        "compatibility": {
            "platforms": ["darwin", "linux"],
            "runtimes": {"python": project["requires-python"]},
        },
    }


def bundle(to: Path) -> Path:
    """Write the bundle; returns its path."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    made = to / f"{project['name']}-{project['version']}.mcpb"
    to.mkdir(parents=True, exist_ok=True)
    source = sorted(
        path
        for path in (ROOT / "src").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "manifest.json", json.dumps(manifest(), indent=2).encode())
        for path in [*(ROOT / name for name in FILES), *source]:
            _add(archive, path.relative_to(ROOT).as_posix(), path.read_bytes())
    return made


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)


if __name__ == "__main__":
    path = bundle(ROOT / "dist")
    sys.stdout.write(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes\n")

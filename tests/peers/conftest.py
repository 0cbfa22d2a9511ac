"""The servers and roots that several files ask for, each made once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from debian_root import build, make_root
from postgres_server import Server, server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server that tests share, each in a schema or database of its own."""
    with server() as running:
        yield running


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Debian root with nothing of ours in it."""
    root = tmp_path_factory.mktemp("places") / "root"
    make_root(root)
    yield root
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def image(debian: Path) -> Path:
    """That root, in which the image's steps were run."""
    build(debian)
    return debian


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A volume, which belongs to the image's user."""
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, 65532, 65532)
    return folder

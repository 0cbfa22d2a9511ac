"""A store of which bytes are gone is called damaged, with the way to restore it, whichever they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.errors import StoreError
from gonogo.store.sqlite.database import Database

pytestmark = pytest.mark.anyio


# Where zeros stand, and how many: the name of the format, its header, the mark, the first page.
@pytest.mark.parametrize(("at", "n"), [(0, 16), (0, 100), (68, 4), (0, 4096)])
async def test_a_store_without_its_header_is_damaged(tmp_path: Path, at: int, n: int) -> None:
    """Neither another program's file nor none of SQLite's; it keeps every byte."""
    path = tmp_path / "store.db"
    await (await Database.open(path)).close()
    content = path.read_bytes()
    content = content[:at] + bytes(n) + content[at + n :]
    path.write_bytes(content)
    for read_only in (False, True):
        with pytest.raises(StoreError, match=r"damaged; .* gonogo restore FILE"):
            await Database.open(path, read_only=read_only)
    assert path.read_bytes() == content

"""Where a store may lie: paths, mounts and file systems that are refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from database_world import refusal
from gonogo.errors import StoreError
from gonogo.store.sqlite.opening import refuse_mount


@pytest.mark.anyio
async def test_paths_that_cannot_hold_a_store_are_refused(tmp_path: Path) -> None:
    """A directory, a file for a folder, nothing there for a reader, a file without rights."""
    blocker = tmp_path / "file"
    blocker.write_text("x", encoding="utf-8")
    assert "is a directory" in await refusal(tmp_path)
    assert "cannot be" in await refusal(blocker / "store.db")
    assert "There is no store" in await refusal(tmp_path / "none.db", read_only=True)
    assert not (tmp_path / "none.db").exists()


def test_a_network_file_system_is_refused_with_words(tmp_path: Path) -> None:
    """The deepest mount decides; a local mount below a network one is fine."""
    mounts = "\n".join(
        [
            "22 1 8:1 / / rw,relatime - ext4 /dev/root rw",
            f"36 22 0:50 / {tmp_path}/net\\040work rw - nfs4 server:/export rw",
            f"37 36 8:2 / {tmp_path}/net\\040work/local rw shared:1 - xfs /dev/sdb rw",
        ]
    )
    refuse_mount(tmp_path / "store.db", mounts)
    refuse_mount(tmp_path / "net work" / "local" / "store.db", mounts)
    refuse_mount(tmp_path / "net workshop" / "store.db", mounts)
    with pytest.raises(StoreError, match=r"network file system \(nfs4"):
        refuse_mount(tmp_path / "net work" / "store.db", mounts)


def test_a_store_that_is_mounted_by_itself_is_refused(tmp_path: Path) -> None:
    """A file that a container binds: its log would stay in the container. Its folder may be bound."""
    (tmp_path / "a\tb").mkdir()
    store = tmp_path / "a\tb" / "store.db"
    store.touch()
    place = str(store).replace("\t", "\\011")
    folder, file = str(Path(place).parent), place
    root = "22 1 8:1 / / rw,relatime - ext4 /dev/root rw"
    refuse_mount(store, f"{root}\n38 22 8:1 /data {folder} rw - ext4 /dev/root rw")
    with pytest.raises(StoreError, match="mounted by itself"):
        refuse_mount(store, f"{root}\n38 22 8:1 /data/store.db {file} rw - ext4 /dev/root rw")

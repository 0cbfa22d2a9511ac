"""The salt of a store: without it, a hash of what a tool was asked cannot be guessed at."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

from gonogo.config import default_store
from gonogo.errors import StoreError

__all__ = ["salt_of", "salted"]

SALT_BYTES = 32
HASH_BYTES = 16


def salt_of(store: str, environ: Mapping[str, str]) -> bytes:
    """The salt that lies beside the store; made when it is first asked for, for its owner alone.

    For a store behind a URL it lies in the user's data folder: each machine has its own.

    Raises:
        StoreError: It can be neither read nor made.
    """
    path = Path(f"{store}.salt")
    if "://" in store:
        name = blake2b(store.encode(), digest_size=8).hexdigest()
        path = default_store(environ).with_name(f"{name}.salt")
    try:
        if not path.exists():
            _make(path)
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"Cannot read the salt '{path}': {error.strerror}.") from error


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(SALT_BYTES))
        # A link is made whole or not at all, and never over another process's.
        if not path.exists():
            os.link(own, path)
    except FileExistsError:
        pass
    finally:
        os.close(descriptor)
        own.unlink()


def salted(digest: str, salt: bytes) -> str:
    """A digest that means nothing without the salt."""
    return blake2b(digest.encode(), key=salt, digest_size=HASH_BYTES).hexdigest()

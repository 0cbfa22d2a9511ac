"""Texts of stored rows, read back: where one is not what was written, the store is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gonogo.errors import StoreError, plain

# What parsing and unpacking of foreign content raises.
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Read a row's texts in the block.

    Raises:
        StoreError: They are not what was written; one line says whose, and what to do.
    """
    try:
        yield
    except UNREADABLE as error:
        said = plain(f"{type(error).__name__}: {error}", 80)
        raise StoreError(
            f"{plain(what, 120)} cannot be read from the store, which was changed by hand or is damaged ({said}). "
            "gonogo doctor names all that is; gonogo doctor --repair makes anew what can be derived."
        ) from error

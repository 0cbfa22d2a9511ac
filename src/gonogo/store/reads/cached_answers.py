"""Cached answers of detectors as they are kept: bytes behind a digest of themselves.

Nothing else says what such an answer was: without the digest a damaged one would be given as if it had been computed.
"""

from __future__ import annotations

from hashlib import blake2b

# Of what was kept without a digest: JSON, which begins otherwise. It is made anew.
_MARK, _DIGEST_BYTES = b"\x01", 16


def sealed(state: bytes) -> bytes:
    """The bytes as they are kept."""
    return _MARK + blake2b(state, digest_size=_DIGEST_BYTES).digest() + state


def opened(kept: bytes) -> bytes | None:
    """The bytes that were kept; None where they are no more what they were."""
    state = kept[len(_MARK) + _DIGEST_BYTES :]
    return state if kept == sealed(state) else None


def is_whole(kept: bytes) -> bool:
    """Whether they are what they were, as far as a digest tells it."""
    return not kept.startswith(_MARK) or opened(kept) is not None

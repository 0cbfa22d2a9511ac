"""The assignment of keys to targets: the same here, in the library and in flagd.

A key's place is MurmurHash3 (x86, 32 bits) of salt and key, encoded as CBOR text, as the
`fractional` operator of flagd's in-process evaluation has it. Targets lie on [0, WHOLE) in their
order, the primary first: while the primary's share shrinks, keys only ever leave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import unpack

from gonogo.ports.routes import Weight

_MASK = 0xFFFFFFFF


def murmur3(data: bytes) -> int:
    """MurmurHash3_x86_32 with seed 0 (Appleby, 2011; public domain)."""
    value = 0
    whole = len(data) & ~3
    for block in unpack(f"<{whole >> 2}I", data[:whole]):
        # `_scrambled`, in place: this is every keyed call's cost.
        block = (block * 0xCC9E2D51) & _MASK  # noqa: PLW2901 - the block is only its start
        value ^= (((block << 15) | (block >> 17)) * 0x1B873593) & _MASK
        value = (((value << 13) | (value >> 19)) * 5 + 0xE6546B64) & _MASK
    if len(data) > whole:
        value ^= _scrambled(int.from_bytes(data[whole:], "little"))
    value ^= len(data)
    value = ((value ^ (value >> 16)) * 0x85EBCA6B) & _MASK
    value = ((value ^ (value >> 13)) * 0xC2B2AE35) & _MASK
    return value ^ (value >> 16)


def _scrambled(block: int) -> int:
    block = (block * 0xCC9E2D51) & _MASK
    block = ((block << 15) | (block >> 17)) & _MASK
    return (block * 0x1B873593) & _MASK


def _cbor_text(text: str) -> bytes:
    """RFC 8949, major type 3, shortest form; what is no text (a lone surrogate) is told apart still."""
    data = text.encode(errors="backslashreplace")
    size = len(data)
    if size < 24:  # noqa: PLR2004 - sizes below 24 lie in the first byte
        return bytes([0x60 | size]) + data
    for code, width in ((0x78, 1), (0x79, 2), (0x7A, 4)):
        if size < 1 << (8 * width):
            return bytes([code]) + size.to_bytes(width, "big") + data
    raise ValueError(size)


def key_place(salt: str, key: object) -> float:
    """A key's place in [0, 1), fixed for a salt.

    A key that is no text counts as its text: 42 as "42", a UUID as it is written, bytes as the text
    that they encode.
    """
    if not isinstance(key, str):
        key = key.decode(errors="backslashreplace") if isinstance(key, bytes) else str(key)
    return murmur3(_cbor_text(salt + key)) / 2**32


def pick(targets: Sequence[Weight], place: float) -> Weight:
    """The target whose stretch holds this place in [0, 1); shares are its relative weights."""
    total = sum(weight.share for weight in targets)
    point, end = int(place * total), 0
    for weight in targets:
        end += weight.share
        if point < end:
            return weight
    raise ValueError(place)

"""Signed messages: an HMAC over the time and the body, so that none can be forged or replayed.

The header is `t=UNIX_SECONDS,v1=HEX`; what is signed is `UNIX_SECONDS.BODY` under SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac

HEADER = "X-Gonogo-Signature"
AGE_S_MAX = 300


def sign(secret: str, body: bytes, *, now_s: int) -> str:
    """The header's value for a body sent now."""
    return f"t={now_s},v1={_mac(secret, body, now_s)}"


def is_signed(secret: str, body: bytes, header: str, *, now_s: int) -> bool:
    """Whether a body that was received is whole, from who holds the secret, and recent.

    For receivers. Compares in constant time.
    """
    fields = dict(part.partition("=")[::2] for part in header.split(","))
    try:
        sent_s = int(fields.get("t", ""))
    except ValueError:
        return False
    expected = _mac(secret, body, sent_s).encode()
    is_whole = hmac.compare_digest(expected, fields.get("v1", "").encode())
    return is_whole and abs(now_s - sent_s) <= AGE_S_MAX


def _mac(secret: str, body: bytes, sent_s: int) -> str:
    return hmac.new(secret.encode(), f"{sent_s}.".encode() + body, hashlib.sha256).hexdigest()

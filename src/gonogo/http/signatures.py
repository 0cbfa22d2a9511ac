"""Signed messages: an HMAC over the time and the body, so that none can be forged or replayed.

The header is `t=UNIX_SECONDS,v1=HEX`; what is signed is `UNIX_SECONDS.BODY` under SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

HEADER = "X-Gonogo-Signature"
AGE_S_MAX = 300
PATH = "/approve"


def sign(secret: str, body: bytes, *, now_s: int) -> str:
    """The header's value for a body sent now."""
    return f"t={now_s},v1={_mac(secret, body, now_s)}"


def is_signed(secret: str, body: bytes, header: str, *, now_s: int) -> bool:
    """Verify that a received body is complete, recent, and from a holder of the secret.

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


# Links by which a person approves a plan: signed, for one plan and one receiver, until a time.
#
# Whoever holds the link may say yes, so it is sent to people alone: no answer, list or log has it.
# It carries nothing out by being opened, since chat programs open links to show what is behind them.


@dataclass(frozen=True, slots=True)
class ApprovalLink:
    """The content of a link: which plan, until when (epoch seconds), and to whom it was sent."""

    plan_id: str
    until_s: int
    sent_to: str


def link_of(secret: str, link: ApprovalLink, *, url: str) -> str:
    """Build a link's address below the dashboard's."""
    said = {"plan": link.plan_id, "until": str(link.until_s), "to": link.sent_to}
    return f"{url.rstrip('/')}{PATH}?{urlencode({**said, 'sig': _link_mac(secret, link)})}"


def read_link(secret: str, query: Mapping[str, str]) -> ApprovalLink | None:
    """A link from its query; None where another secret, or nobody, signed it. It may be expired."""
    until = query.get("until", "")
    if not (until.isascii() and until.isdigit() and len(until) <= 12):  # noqa: PLR2004 - digits of a time
        return None
    link = ApprovalLink(query.get("plan", ""), int(until), query.get("to", ""))
    signed = hmac.compare_digest(_link_mac(secret, link).encode(), query.get("sig", "").encode())
    return link if signed else None


def _link_mac(secret: str, link: ApprovalLink) -> str:
    # A separator that none of the parts holds: no two links are signed alike.
    said = "\n".join(("gonogo approve", link.plan_id, str(link.until_s), link.sent_to))
    return hmac.new(secret.encode(), said.encode(), hashlib.sha256).hexdigest()

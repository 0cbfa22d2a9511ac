"""`gonogo wrap --enforce` passes no line on that its server may read otherwise than it did."""

from __future__ import annotations

import json

import pytest

from gonogo.guard.hook_forms import Ruling
from gonogo.wrap.enforcement import Enforcement, Limits

CALL = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search"}}'


@pytest.mark.parametrize(
    "line",
    [
        b"no JSON\n",
        b"[" * 5000 + b"\n",
        b'{"id": 1, "method": \n',
        # Two messages more to a server whose lines end with a carriage return, too, as Python's do.
        b'{"jsonrpc": "2.0", "method": "x", "params":\r' + CALL + b"\r}\n",
        b"[[" + CALL + b"]]\n",
        # A server may take the first of two.
        CALL.replace(b'"params"', b'"method": "ping", "params"') + b"\n",
        CALL.replace(b'"name": "search"', b'"name": "search", "name": "other"') + b"\r\n",
    ],
)
def test_what_cannot_be_read_cannot_be_judged_and_is_not_passed_on(line: bytes) -> None:
    """Another parser might find a call in it; a blank line is nobody's."""
    enforcement = Enforcement("srv", lambda _: Ruling("allow"), Limits())
    told = json.loads(enforcement.refusal(line) or b"null")
    assert (told["id"], told["error"]["code"]) == (None, -32700)
    assert enforcement.refusal(b"\n") is None

"""The money that `gonogo wrap` holds for calls, whatever becomes of them."""

from __future__ import annotations

import json

from gonogo.errors import ActionRefused
from gonogo.guard.held_calls import HeldCalls
from gonogo.guard.hook_forms import Ruling
from gonogo.wrap.enforcement import Enforcement, Limits


def test_every_hold_is_settled_once_whatever_becomes_of_its_call() -> None:
    """Answers, cancellations, ids used again, batches of which one does not fit, the server's end."""
    held: list[str] = []
    ended: list[tuple[str | None, bool]] = []

    class Purse:
        def hold(self, dependency: str) -> HeldCalls:
            if dependency == "srv/dear":
                raise ActionRefused("it does not fit")
            held.append(f"{len(held)}")
            return HeldCalls(held[-1], size=1, left=0, held_usd=0.1)

        def end(self, hold: HeldCalls | None, *, called: bool) -> None:
            ended.append((None if hold is None else hold.id, called))

    enforcement = Enforcement("srv", lambda _: Ruling("allow"), Limits(), Purse())

    def call(number: int | None, tool: str = "a") -> dict[str, object]:
        named = {} if number is None else {"id": number}
        return {"jsonrpc": "2.0", **named, "method": "tools/call", "params": {"name": tool}}

    def said(value: object) -> bytes:
        return json.dumps(value).encode()

    assert enforcement.refusal(said(call(1))) is None
    assert enforcement.may_pass(said({"jsonrpc": "2.0", "id": 1, "result": {}}))
    assert ended == [("0", True)]
    cancelled = {"method": "notifications/cancelled", "params": {"requestId": 2}}
    for line in (call(2), {"jsonrpc": "2.0", **cancelled}, call(3), call(3), call(None)):
        assert enforcement.refusal(said(line)) is None
    assert ended[1:] == [("1", True), ("2", True), ("4", True)]
    assert b"it does not fit" in (enforcement.refusal(said([call(5), call(6, "dear")])) or b"")
    assert ended[4:] == [("5", False)]
    enforcement.close()
    enforcement.close()
    assert ended[5:] == [("3", True)]
    assert sorted(hold for hold, _ in ended if hold) == held

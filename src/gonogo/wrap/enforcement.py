"""`gonogo wrap --enforce`: a tool call is passed or refused before the server sees it.

A call is refused by a JSON-RPC error that says why and what to do: under a no_go, beyond its budget, in
a loop (the same call with the same answer so many times in a row), and when it hangs past its deadline.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from gonogo.border.foreign import foreign_json
from gonogo.errors import ActionRefused, plain
from gonogo.guard.hook_forms import Ruling
from gonogo.wrap.tool_calls import digest_of, messages_in

if TYPE_CHECKING:
    from gonogo.guard.held_calls import HeldCalls

# A line that is longer is cut, and its pieces are no messages.
LINE_BYTES_MAX = 64 * 1024 * 1024
# JSON-RPC leaves -32000 to -32099 to implementations.
REFUSED, UNREADABLE = -32000, -32700
RETRY = "Do not repeat it as it is: "

_Id = str | int


class Limits(NamedTuple):
    """The limits beyond the verdict at which a call is refused; None for never.

    Attributes:
        repeats: How often the same call may have the same answer in a row.
        deadline_s: How long it may take.
    """

    repeats: int | None = 10
    deadline_s: float | None = None


class _Call(NamedTuple):
    """A call that waits for its answer; `asked` tells its arguments apart from others."""

    tool: str
    at: float
    asked: str
    hold: HeldCalls | None = None


class _RepeatedCall(NamedTuple):
    """The newest call of a tool, and how often in a row it was the same with the same answer."""

    asked: str
    answered: str
    times: int


class Purse(Protocol):
    """The money of calls: held before they are passed on, settled when they have ended."""

    def hold(self, dependency: str) -> HeldCalls | None:
        """Hold the money of one call; raises ActionRefused where it does not fit."""
        ...

    def end(self, hold: HeldCalls | None, *, called: bool) -> None:
        """Settle a hold, without waiting: at what a call costs, or at nothing where none was made."""
        ...


class Enforcement:
    """Judges each call of one server's tools. The two sides are used by two threads.

    Args:
        name: What the server is called: the first half of each dependency's name.
        judge: The ruling for a dependency, at once.
        limits: What else is refused.
        purse: Whose money calls cost, where they do.
    """

    def __init__(
        self,
        name: str,
        judge: Callable[[str], Ruling],
        limits: Limits,
        purse: Purse | None = None,
    ) -> None:
        self._name, self._judge, self._limits, self._purse = name, judge, limits, purse
        self._repeated: dict[str, _RepeatedCall] = {}
        self._open: dict[_Id, _Call] = {}
        self._given_up: set[_Id] = set()
        self._lock = threading.Lock()

    def refusal(self, line: bytes) -> bytes | None:
        """The line that answers the client in the server's stead; None where the line may pass."""
        if not line.strip():
            return None
        try:
            found = _read(line)
        except ValueError as error:
            # Another parser may read it, and find a call in it.
            told = f"gonogo: this message {error}: it cannot be judged, and was not passed on."
            return _line(_error(None, told, code=UNREADABLE))
        calls = [each for each in messages_in(found) if each.get("method") == "tools/call"]
        for call in calls:
            why = self._why(call)
            if why is not None:
                return _answers(found, why)
        try:
            holds = self._hold([_tool(call) for call in calls])
        except ActionRefused as refused:
            return _answers(found, str(refused))
        for call, hold in zip(calls, holds, strict=True):
            began = _Call(_tool(call), time.monotonic(), _arguments(call), hold)
            number = _id(call)
            if number is None:
                self._settle(began)  # no answer will come
                continue
            with self._lock:
                self._given_up.discard(number)
                before = self._open.pop(number, None)
                self._open[number] = began
            self._settle(before)
        self._see_cancelled(found)
        return None

    def _hold(self, tools: Sequence[str]) -> list[HeldCalls | None]:
        """Hold the money of each call of a line; of a batch that does not fit none is made."""
        if self._purse is None:
            return [None] * len(tools)
        holds: list[HeldCalls | None] = []
        try:
            for tool in tools:
                holds.append(self._purse.hold(f"{self._name}/{tool}"))  # noqa: PERF401 - those before a refusal are let go
        except ActionRefused:
            for hold in holds:
                self._purse.end(hold, called=False)
            raise
        return holds

    def _settle(self, call: _Call | None) -> None:
        if call is not None and call.hold is not None and self._purse is not None:
            self._purse.end(call.hold, called=True)

    def _see_cancelled(self, found: object) -> None:
        """Nobody waits for a call that the client has cancelled, and its server need not answer."""
        for each in messages_in(found):
            params = each.get("params")
            if each.get("method") != "notifications/cancelled" or not isinstance(params, dict):
                continue
            number = _id({"id": params.get("requestId")})
            if number is not None:
                with self._lock:
                    call = self._open.pop(number, None)
                self._settle(call)

    def close(self) -> None:
        """The server has gone: what it has not answered is settled, too."""
        with self._lock:
            lost = [*self._open.values()]
            self._open.clear()
        for call in lost:
            self._settle(call)

    def _why(self, call: Mapping[str, object]) -> str | None:
        tool = _tool(call)
        name = f"{self._name}/{tool}"
        ruling = self._judge(name)
        if ruling.what != "allow":
            return ruling.reason
        most, before = self._limits.repeats, self._repeated.get(tool)
        if most is None or before is None or before.times < most:
            return None
        if _arguments(call) != before.asked:
            return None
        return (
            f"gonogo: {name} was called {before.times} times in a row with the same arguments and "
            f"gave the same answer each time. {RETRY}change the arguments, or go on with the answer "
            "you have."
        )

    def may_pass(self, line: bytes) -> bool:
        """Whether a line of the server goes on to the client: not the late answer of a lost call."""
        if not self._open and not self._given_up:
            return True
        try:
            found = foreign_json(line)
        except ValueError:
            return True
        for each in messages_in(found):
            number = _id(each)
            if number is None or "method" in each:
                continue
            with self._lock:
                call = self._open.pop(number, None)
                if number in self._given_up:
                    self._given_up.discard(number)
                    return False
            if call is not None:
                self._settle(call)
                self._note(call, each)
        return True

    def _note(self, call: _Call, answer: Mapping[str, object]) -> None:
        told = answer.get("result", answer.get("error"))
        if isinstance(told, dict):
            told = {key: value for key, value in told.items() if key != "_meta"}
        answered, before = digest_of(told), self._repeated.get(call.tool)
        same = before is not None and (before.asked, before.answered) == (call.asked, answered)
        times = before.times + 1 if same and before is not None else 1
        self._repeated[call.tool] = _RepeatedCall(call.asked, answered, times)

    def overdue(self, now: float) -> Iterator[tuple[bytes, bytes]]:
        """The replies to the client and the cancellations to the server for calls past their deadline."""
        if self._limits.deadline_s is None:
            return
        with self._lock:
            late = [n for n, call in self._open.items() if now - call.at >= self._limits.deadline_s]
            lost = {number: self._open.pop(number) for number in late}
            self._given_up.update(lost)
        for number, call in lost.items():
            self._settle(call)
            tool = call.tool
            why = (
                f"gonogo: {self._name}/{tool} has not answered for {self._limits.deadline_s:g} s and "
                f"was given up. {RETRY}it may still have had its effect; look before you call again."
            )
            cancelled = {
                "jsonrpc": "2.0",
                "method": "notifications/cancelled",
                "params": {"requestId": number, "reason": "timeout"},
            }
            yield _line(_error(number, why)), _line(cancelled)


def _read(line: bytes) -> object:
    """Parse a line only where every reader takes it for one and the same message.

    Raises:
        ValueError: It is no JSON, or one reader may find another message in it than another reader does.
    """
    if b"\r" in line.rstrip(b"\r\n"):
        raise ValueError("has a carriage return within, where some readers end a line")
    found = foreign_json(line.rstrip(b"\r\n"), names_once=True)
    if isinstance(found, list) and any(isinstance(each, list) for each in found):
        raise ValueError("is a batch within a batch")
    return found


def whole_lines(held: bytearray, chunk: bytes) -> Iterator[bytes]:
    """The lines that a chunk completes, with their ends; what is left over stays held."""
    looked_at = len(held)  # in which no line ends
    held += chunk
    while (end := held.find(b"\n", looked_at)) >= 0:
        yield bytes(held[: end + 1])
        del held[: end + 1]
        looked_at = 0
    if len(held) > LINE_BYTES_MAX:
        yield bytes(held)
        held.clear()


def _id(message: Mapping[str, object]) -> _Id | None:
    number = message.get("id")
    return number if isinstance(number, (str, int)) and not isinstance(number, bool) else None


def _tool(call: Mapping[str, object]) -> str:
    params = call.get("params")
    return str(params.get("name")) if isinstance(params, dict) else ""


def _arguments(call: Mapping[str, object]) -> str:
    params = call.get("params")
    return digest_of((params.get("arguments") if isinstance(params, dict) else None) or {})


def _error(number: object, why: str, *, code: int = REFUSED) -> dict[str, object]:
    message = plain(why, 1000)
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}


def _answers(found: object, why: str) -> bytes:
    """Refuse every request of a line: of a batch none goes through where one may not."""
    asked = [number for each in messages_in(found) if (number := _id(each)) is not None]
    told = [_error(number, why) for number in asked]
    return _line(told if isinstance(found, list) else told[0]) if told else b""


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"

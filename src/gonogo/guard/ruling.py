"""The one rule from a verdict to a call: passed, warned about or stopped."""

from __future__ import annotations

import shlex
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from gonogo.errors import GonogoError, plain
from gonogo.guard.hook_forms import Ruling
from gonogo.settings import GuardPolicy, GuardSettings, Settings
from gonogo.text.forms import duration

if TYPE_CHECKING:
    from gonogo.ports.standing_verdicts import CurrentVerdict
    from gonogo.records import Verdict

_MCP = "mcp__"
# What standard error says before the reason where the call goes on.
GOES_ON = "gonogo guard: nothing was checked, and the call goes on"


def dependency_of(tool: str, guard: GuardSettings) -> str | None:
    """Find the dependency of a tool call; None where it has none: then the call is none of ours.

    The first pattern of `[guard.tools]` that matches decides. Without one an MCP server's tool is
    SERVER/TOOL, as `gonogo wrap SERVER` records it.
    """
    server, _, own = tool.removeprefix(_MCP).partition("__") if tool.startswith(_MCP) else ("",) * 3
    for pattern, name in guard.tools.items():
        if fnmatchcase(tool, pattern):
            return name.replace("{server}", server).replace("{tool}", own or tool)
    return f"{server}/{own}" if server and own else None


def ruling_of(name: str, now: CurrentVerdict, settings: Settings, *, now_ms: int) -> Ruling:
    """Stop on no_go; caution and unknown as they are configured."""
    guard = settings.guard
    means: dict[Verdict, GuardPolicy] = {
        "go": "allow",
        "caution": guard.caution,
        "no_go": "deny",
        "unknown": guard.unknown,
    }
    what = means[now.verdict]
    if what == "allow":
        return Ruling("allow")
    parts = [
        f"{part} {said}" for part, said in (("drift", now.drift), ("trust", now.trust)) if said
    ]
    told = f" ({', '.join(parts)})" if parts else ""
    asked = ""
    if now.as_of_ms is not None:
        asked = f", asked {duration(max((now_ms - now.as_of_ms) // 1000, 1))} ago"
    typed = shlex.quote(name)
    around = ""
    if settings.dependency(name).fallback:
        around = f" A way around it: gonogo fallback {typed} --reason {now.verdict}."
    return Ruling(
        what,
        f"gonogo: {now.verdict} for {name}{told}{asked}. The evidence: gonogo check drift {typed}.{around}",
    )


def why_not_asked(error: Exception) -> str:
    """The reason in one line; of an error that is none of ours its name as well."""
    ours = isinstance(error, (GonogoError, OSError)) and str(error)
    return plain(str(error) if ours else f"{type(error).__name__}: {error}", 300)


def not_asked(why: str, *, closed: bool) -> Ruling:
    """Stopped with the reason where the gate is closed then; else it goes on."""
    if closed:
        return Ruling("deny", f"gonogo cannot be asked, and the gate is closed then: {why}")
    return Ruling("allow")

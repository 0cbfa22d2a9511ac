"""Calls for which nothing can be asked: they go on or are stopped, as chosen."""

from __future__ import annotations

from gonogo.errors import GonogoError, plain
from gonogo.guard.hook_forms import Ruling

# What standard error says before the reason where the call goes on.
GOES_ON = "gonogo guard: nothing was checked, and the call goes on"


def why_not_asked(error: Exception) -> str:
    """The reason in one line; of an error that is none of ours its name as well."""
    ours = isinstance(error, (GonogoError, OSError)) and str(error)
    return plain(str(error) if ours else f"{type(error).__name__}: {error}", 300)


def not_asked(why: str, *, closed: bool) -> Ruling:
    """Stopped with the reason where the gate is closed then; else it goes on."""
    if closed:
        return Ruling("deny", f"gonogo cannot be asked, and the gate is closed then: {why}")
    return Ruling("allow")

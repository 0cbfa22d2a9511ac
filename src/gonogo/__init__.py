"""gonogo: is what an AI agent depends on fit for the work it is about to do?

For code that is not an agent: `Recorder` records without ever being in the way, `route` says which
target to call also while the store is away, `shadow` which one beside it, and `check` asks what the tools answer. Each is
imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gonogo import check as check
    from gonogo.recorder.recorder import Recorder as Recorder
    from gonogo.routing import route as route
    from gonogo.routing import shadow as shadow

__all__ = ["Recorder", "__version__", "check", "route", "shadow"]

__version__ = "0.1.0"

_HOMES = {
    "Recorder": "gonogo.recorder.recorder",
    "route": "gonogo.routing",
    "shadow": "gonogo.routing",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "check":
        return import_module("gonogo.check")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'gonogo' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

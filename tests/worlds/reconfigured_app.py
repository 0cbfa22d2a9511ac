"""An application that answers by other settings from here on, as after an edit of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.app.open_store import reconfigured

if TYPE_CHECKING:
    from gonogo.app import Gonogo
    from gonogo.settings import Settings


def configure(app: Gonogo, settings: Settings) -> None:
    """Let it answer by these settings; nothing is logged of it."""
    app.settings = settings
    if app._stores is not None:
        app._stores = reconfigured(app._stores, settings, clock=app.clock)

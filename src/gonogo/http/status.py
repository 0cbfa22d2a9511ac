"""The HTTP status that says what an error is."""

from __future__ import annotations

from gonogo.errors import GonogoError, ParameterError, UnknownTarget


def status_of(error: GonogoError) -> int:
    """404: what is named is not there; 400: it is asked in a wrong way; else 503: it may work later."""
    match error:
        case UnknownTarget():
            return 404
        case ParameterError():
            return 400
        case _:
            return 503

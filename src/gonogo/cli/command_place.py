"""The position of a command's name among the arguments; imports nothing of the command line."""

from __future__ import annotations

from collections.abc import Sequence

OPTIONS_WITH_VALUE = ("--store", "--config")


def command_place(arguments: Sequence[str]) -> int | None:
    """Find the command's name after the options that may come before it."""
    is_value = False
    for place, argument in enumerate(arguments):
        if is_value:
            is_value = False
        elif not argument.startswith("-"):
            return place
        else:
            is_value = argument in OPTIONS_WITH_VALUE
    return None

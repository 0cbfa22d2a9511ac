"""The command line before it is imported: its first word, and the options of `serve`, `wrap` and `guard`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from gonogo.errors import ParameterError


class EarlyParser(argparse.ArgumentParser):
    """The standard parser, with the product's errors: its own exit status would read as no_go."""

    def error(self, message: str) -> NoReturn:
        """Refuse in one line.

        Raises:
            ParameterError: Always.
        """
        name = self.prog.removeprefix("gonogo ")
        raise ParameterError(f"{name}: {message}. See `{self.prog} --help`.")


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

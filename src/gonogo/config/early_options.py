"""Options of the commands that start before the command line is imported: `serve`, `wrap`, `guard`."""

from __future__ import annotations

import argparse
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

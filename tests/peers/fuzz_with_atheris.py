"""Feeds one parser with what reaches further into it: `fuzz_with_atheris.py PARSER SECONDS CORPUS`."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["gonogo"]):
    from parsers import PARSERS

NAME, SECONDS, CORPUS = sys.argv[1:]

if __name__ == "__main__":
    atheris.Setup(
        [sys.argv[0], f"-max_total_time={SECONDS}", "-max_len=4096", "-verbosity=0", CORPUS],
        PARSERS[NAME],
    )
    atheris.Fuzz()

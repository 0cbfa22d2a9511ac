"""Every parser under a fuzzer that is led by what its input reaches: a minute for all of them."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from environments import ROOT, python_environment

from parser_seeds import SEEDS
from parsers import PARSERS

SECONDS_EACH = 3


@pytest.mark.skipif(sys.platform != "linux", reason="atheris has wheels for Linux alone")
@pytest.mark.parametrize("name", PARSERS)
def test_nothing_but_the_promised_refusal_is_raised(name: str, tmp_path: Path) -> None:
    """The fuzzer ends well where no input made the parser raise anything else."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(SEEDS):
        (corpus / str(number)).write_bytes(seed)
    # The package and its dependencies are those of this environment: it is of the same Python.
    paths = [str(ROOT / "tests" / "worlds"), str(ROOT / "src"), sysconfig.get_path("purelib")]
    program = Path(__file__).with_name("fuzz_with_atheris.py")
    done = subprocess.run(
        [python_environment("atheris"), program, name, str(SECONDS_EACH), corpus],
        check=False,
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
